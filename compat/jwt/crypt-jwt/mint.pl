# Makes a JWT from the key file named in KEY_FILE with Perl's Crypt::JWT.
use strict;
use warnings;
use Crypt::JWT qw(encode_jwt);
use JSON::PP;

open my $file, '<', $ENV{KEY_FILE} or die "open $ENV{KEY_FILE}: $!";
my $key = decode_json(do { local $/; <$file> });

# Crypt::PK::RSA wants the PEM block alone.
(my $pem = $key->{private_key}) =~ s/\A.*?(?=-----BEGIN)//s;

my $now = time;
print encode_jwt(
    alg           => 'PS256',
    key           => \$pem,
    extra_headers => { kid => $key->{id} },
    payload       => {
        iss => $key->{service_account_id},
        aud => 'https://iam.api.cloud.yandex.net/iam/v1/tokens',
        iat => $now,
        exp => $now + 3600,
    },
), "\n";
