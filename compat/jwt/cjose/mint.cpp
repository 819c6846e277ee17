// Stands in for the documentation's C++ sample (jwt-cpp): the same header
// (alg and kid, no typ) and claims (the audience is a list), with cjose.
#include <cjose/cjose.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <ctime>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::string field(const json_t *key, const char *name) {
    const char *text = json_string_value(json_object_get(key, name));
    if (text == nullptr) throw std::runtime_error(std::string("key file without ") + name);
    return text;
}

std::vector<uint8_t> number(const EVP_PKEY *pkey, const char *name) {
    BIGNUM *bn = nullptr;
    if (EVP_PKEY_get_bn_param(pkey, name, &bn) != 1) throw std::runtime_error(std::string("RSA key without ") + name);
    std::vector<uint8_t> bytes(BN_num_bytes(bn));
    BN_bn2bin(bn, bytes.data());
    BN_clear_free(bn);
    return bytes;
}

// cjose takes an RSA key as numbers only, so OpenSSL reads the PEM.
cjose_jwk_t *jwk(const std::string &pem) {
    BIO *bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    if (pkey == nullptr) throw std::runtime_error("private key is not PEM");
    std::vector<uint8_t> n = number(pkey, OSSL_PKEY_PARAM_RSA_N), e = number(pkey, OSSL_PKEY_PARAM_RSA_E),
                         d = number(pkey, OSSL_PKEY_PARAM_RSA_D);
    EVP_PKEY_free(pkey);
    cjose_jwk_rsa_keyspec spec{};
    spec.n = n.data(), spec.nlen = n.size();
    spec.e = e.data(), spec.elen = e.size();
    spec.d = d.data(), spec.dlen = d.size();
    cjose_err err{};
    cjose_jwk_t *key = cjose_jwk_create_RSA_spec(&spec, &err);
    if (key == nullptr) throw std::runtime_error(err.message);
    return key;
}

std::string mint(const char *key_file) {
    json_error_t where{};
    json_t *key = json_load_file(key_file, 0, &where);
    if (key == nullptr) throw std::runtime_error(where.text);

    const auto now = static_cast<json_int_t>(std::time(nullptr));
    json_t *claims = json_pack("{s:[s], s:I, s:I, s:s}", "aud", "https://iam.api.cloud.yandex.net/iam/v1/tokens", "exp",
                               now + 3600, "iat", now, "iss", field(key, "service_account_id").c_str());
    char *payload = json_dumps(claims, JSON_COMPACT);

    cjose_err err{};
    cjose_header_t *header = cjose_header_new(&err);
    cjose_header_set(header, CJOSE_HDR_ALG, CJOSE_HDR_ALG_PS256, &err);
    cjose_header_set(header, CJOSE_HDR_KID, field(key, "id").c_str(), &err);
    cjose_jws_t *jws = cjose_jws_sign(jwk(field(key, "private_key")), header, reinterpret_cast<uint8_t *>(payload),
                                      std::string(payload).size(), &err);
    const char *compact = nullptr;
    if (jws == nullptr || !cjose_jws_export(jws, &compact, &err)) throw std::runtime_error(err.message);
    return compact;
}

}  // namespace

int main() {
    try {
        const char *key_file = std::getenv("KEY_FILE");
        if (key_file == nullptr) throw std::runtime_error("KEY_FILE is not set");
        std::cout << mint(key_file) << std::endl;
    } catch (const std::exception &e) {
        std::cerr << e.what() << std::endl;
        return 1;
    }
}
