import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.SignatureAlgorithm;
import java.io.File;
import java.io.StringReader;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Date;
import org.bouncycastle.util.io.pem.PemObject;
import org.bouncycastle.util.io.pem.PemReader;

/**
 * Makes a JWT from the key file named in KEY_FILE, as the documentation's Java
 * sample does: JJWT signs, Bouncy Castle reads the PEM, Jackson the JSON.
 */
@SuppressWarnings("deprecation")
public final class JavaJwt {

    // The sample lacks this annotation, and Jackson then refuses the file's
    // other three fields; whoever runs the sample adds it.
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class KeyInfo {
        public String id;
        public String service_account_id;
        public String private_key;
    }

    public static void main(String[] args) throws Exception {
        KeyInfo keyInfo = new ObjectMapper().readValue(new File(System.getenv("KEY_FILE")), KeyInfo.class);

        PemObject pem;
        try (PemReader reader = new PemReader(new StringReader(keyInfo.private_key))) {
            pem = reader.readPemObject();
        }
        PrivateKey privateKey = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(pem.getContent()));

        Instant now = Instant.now();
        System.out.println(Jwts.builder()
                .setHeaderParam("kid", keyInfo.id)
                .setIssuer(keyInfo.service_account_id)
                .setAudience("https://iam.api.cloud.yandex.net/iam/v1/tokens")
                .setIssuedAt(Date.from(now))
                .setExpiration(Date.from(now.plusSeconds(3600)))
                .signWith(privateKey, SignatureAlgorithm.PS256)
                .compact());
    }
}
