import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.List;
import yandex.cloud.api.iam.v1.KeyOuterClass.Key;
import yandex.cloud.api.iam.v1.KeyServiceGrpc;
import yandex.cloud.api.iam.v1.KeyServiceGrpc.KeyServiceBlockingStub;
import yandex.cloud.api.iam.v1.KeyServiceOuterClass.CreateKeyRequest;
import yandex.cloud.api.iam.v1.KeyServiceOuterClass.CreateKeyResponse;
import yandex.cloud.api.iam.v1.KeyServiceOuterClass.DeleteKeyRequest;
import yandex.cloud.api.iam.v1.KeyServiceOuterClass.GetKeyRequest;
import yandex.cloud.api.iam.v1.KeyServiceOuterClass.ListKeysRequest;
import yandex.cloud.api.iam.v1.ServiceAccountOuterClass.ServiceAccount;
import yandex.cloud.api.iam.v1.ServiceAccountServiceGrpc;
import yandex.cloud.api.iam.v1.ServiceAccountServiceGrpc.ServiceAccountServiceBlockingStub;
import yandex.cloud.api.iam.v1.ServiceAccountServiceOuterClass.CreateServiceAccountMetadata;
import yandex.cloud.api.iam.v1.ServiceAccountServiceOuterClass.CreateServiceAccountRequest;
import yandex.cloud.api.iam.v1.ServiceAccountServiceOuterClass.DeleteServiceAccountRequest;
import yandex.cloud.api.iam.v1.ServiceAccountServiceOuterClass.GetServiceAccountRequest;
import yandex.cloud.api.iam.v1.ServiceAccountServiceOuterClass.ListServiceAccountsRequest;
import yandex.cloud.api.iam.v1.UserAccountOuterClass.UserAccount;
import yandex.cloud.api.iam.v1.YandexPassportUserAccountServiceGrpc;
import yandex.cloud.api.iam.v1.YandexPassportUserAccountServiceGrpc.YandexPassportUserAccountServiceBlockingStub;
import yandex.cloud.api.iam.v1.YandexPassportUserAccountServiceOuterClass.GetUserAccountByLoginRequest;
import yandex.cloud.api.operation.OperationOuterClass.Operation;
import yandex.cloud.api.operation.OperationServiceGrpc;
import yandex.cloud.api.operation.OperationServiceGrpc.OperationServiceBlockingStub;
import yandex.cloud.sdk.ServiceFactory;
import yandex.cloud.sdk.auth.Auth;
import yandex.cloud.sdk.utils.OperationUtils;

/**
 * Takes a service account and its key through their whole life with the Java
 * SDK, over TLS. Both of its addresses are overridden: the one that services are
 * discovered at, and the one that the key file is exchanged at.
 */
public final class Accounts {
    private static final String FOLDER_ID = System.getenv("FOLDER_ID");
    private static final String NAME = System.getenv("ACCOUNT_NAME");

    private final ServiceAccountServiceBlockingStub accounts;
    private final KeyServiceBlockingStub keys;
    private final OperationServiceBlockingStub operations;

    private Accounts(ServiceFactory factory) {
        accounts = factory.create(ServiceAccountServiceBlockingStub.class, ServiceAccountServiceGrpc::newBlockingStub);
        keys = factory.create(KeyServiceBlockingStub.class, KeyServiceGrpc::newBlockingStub);
        operations = factory.create(OperationServiceBlockingStub.class, OperationServiceGrpc::newBlockingStub);
    }

    public static void main(String[] args) {
        // The SDK's channels keep the JVM alive, hence the explicit exits.
        try {
            String endpoint = System.getenv("ENDPOINT");
            ServiceFactory factory = ServiceFactory.builder()
                    .endpoint(endpoint)
                    .credentialProvider(Auth.apiKeyBuilder()
                            .fromFile(Paths.get(System.getenv("KEY_FILE")))
                            .cloudIAMEndpoint(endpoint))
                    .requestTimeout(Duration.ofSeconds(30))
                    .build();
            new Accounts(factory).run();
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }

    private void run() throws Exception {
        ServiceAccount account = createAccount();
        useKey(account.getId());
        asPerson();
        deleteAccount(account.getId());
    }

    /** Calls as a person, alice, whose OAuth token the SDK exchanges. */
    private void asPerson() {
        String endpoint = System.getenv("ENDPOINT");
        ServiceFactory factory = ServiceFactory.builder()
                .endpoint(endpoint)
                .credentialProvider(Auth.oauthTokenBuilder().oauth(System.getenv("OAUTH_TOKEN")).cloudIAMEndpoint(endpoint))
                .requestTimeout(Duration.ofSeconds(30))
                .build();
        UserAccount alice = factory.create(YandexPassportUserAccountServiceBlockingStub.class,
                YandexPassportUserAccountServiceGrpc::newBlockingStub)
                .getByLogin(GetUserAccountByLoginRequest.newBuilder().setLogin("alice").build());
        check(alice.getYandexPassportUserAccount().getLogin().equals("alice")
                && !alice.getYandexPassportUserAccount().getDefaultEmail().isEmpty(), "alice sees herself as " + alice);
    }

    private ServiceAccount createAccount() throws Exception {
        Operation op = accounts.create(CreateServiceAccountRequest.newBuilder()
                .setFolderId(FOLDER_ID)
                .setName(NAME)
                .setDescription("made by java-sdk")
                .build());
        String id = op.getMetadata().unpack(CreateServiceAccountMetadata.class).getServiceAccountId();
        ServiceAccount account = done(op).getResponse().unpack(ServiceAccount.class);
        check(!id.isEmpty() && account.getId().equals(id), "account " + account + ", metadata say " + id);
        check(account.getName().equals(NAME) && account.getFolderId().equals(FOLDER_ID), "created account is " + account);
        check(account.hasCreatedAt(), "created account is " + account);

        List<ServiceAccount> found = accounts.list(ListServiceAccountsRequest.newBuilder()
                .setFolderId(FOLDER_ID)
                .setFilter("name=\"" + NAME + "\"")
                .build()).getServiceAccountsList();
        check(found.size() == 1 && found.get(0).getId().equals(id), "list by name gives " + found);
        return account;
    }

    private void useKey(String accountId) throws Exception {
        CreateKeyResponse created = keys.create(CreateKeyRequest.newBuilder().setServiceAccountId(accountId).build());
        check(created.getPrivateKey().contains("-----BEGIN PRIVATE KEY-----"), "the new key comes without a private half");
        String id = created.getKey().getId();
        Key key = keys.get(GetKeyRequest.newBuilder().setKeyId(id).build());
        check(key.getServiceAccountId().equals(accountId) && key.getKeyAlgorithm() == Key.Algorithm.RSA_2048
                && !key.getPublicKey().isEmpty(), "key is " + key);
        List<Key> found = keys.list(ListKeysRequest.newBuilder().setServiceAccountId(accountId).build()).getKeysList();
        check(found.size() == 1 && found.get(0).getId().equals(id), "list of keys is " + found);

        done(keys.delete(DeleteKeyRequest.newBuilder().setKeyId(id).build()));
        checkNotFound("key", () -> keys.get(GetKeyRequest.newBuilder().setKeyId(id).build()));
    }

    private void deleteAccount(String id) throws Exception {
        done(accounts.delete(DeleteServiceAccountRequest.newBuilder().setServiceAccountId(id).build()));
        checkNotFound("account", () -> accounts.get(GetServiceAccountRequest.newBuilder().setServiceAccountId(id).build()));
    }

    private Operation done(Operation op) throws Exception {
        Operation result = OperationUtils.wait(operations, op, Duration.ofMinutes(1));
        check(result.getDone() && !result.hasError(), "operation ended as " + result);
        return result;
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void checkNotFound(String what, Runnable call) {
        try {
            call.run();
        } catch (StatusRuntimeException e) {
            check(e.getStatus().getCode() == Status.Code.NOT_FOUND, "deleted " + what + " answers " + e.getStatus());
            return;
        }
        throw new AssertionError("deleted " + what + " is still there");
    }
}
