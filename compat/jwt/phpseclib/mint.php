<?php
// Stands in for the documentation's PHP sample (web-token/jwt-framework): the
// same header and claims, built and signed with phpseclib. Like web-token, it
// leaves the slashes of the header as they are; like the sample's json_encode,
// it escapes those of the payload.
require 'phpseclib3/autoload.php';

use phpseclib3\Crypt\PublicKeyLoader;
use phpseclib3\Crypt\RSA;

function b64url(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

$key = json_decode(file_get_contents(getenv('KEY_FILE')), true, 512, JSON_THROW_ON_ERROR);
$pem = $key['private_key'];
if (strpos($pem, 'PLEASE DO NOT REMOVE THIS LINE!') === 0) {
    $pem = substr($pem, strpos($pem, "\n") + 1);
}

$header = json_encode(['alg' => 'PS256', 'typ' => 'JWT', 'kid' => $key['id']], JSON_UNESCAPED_SLASHES);
$payload = json_encode([
    'iss' => $key['service_account_id'],
    'aud' => 'https://iam.api.cloud.yandex.net/iam/v1/tokens',
    'iat' => time(),
    'nbf' => time(),
    'exp' => time() + 3600,
]);

$signer = PublicKeyLoader::loadPrivateKey($pem)
    ->withPadding(RSA::SIGNATURE_PSS)
    ->withHash('sha256')
    ->withMGFHash('sha256')
    ->withSaltLength(32);
$input = b64url($header) . '.' . b64url($payload);
echo $input . '.' . b64url($signer->sign($input)) . PHP_EOL;
