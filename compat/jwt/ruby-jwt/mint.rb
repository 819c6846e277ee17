# Makes a JWT from the key file named in KEY_FILE, as the documentation's Ruby
# sample does (ruby-jwt).
require 'json'
require 'jwt'
require 'openssl'

key = JSON.parse(File.read(ENV.fetch('KEY_FILE')))

payload = {
  iss: key['service_account_id'],
  exp: Time.now.to_i + 3600,
  iat: Time.now.to_i,
  nbf: Time.now.to_i,
  aud: 'https://iam.api.cloud.yandex.net/iam/v1/tokens'
}
puts JWT.encode(payload, OpenSSL::PKey::RSA.new(key['private_key']), 'PS256', { kid: key['id'] })
