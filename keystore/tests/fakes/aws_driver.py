"""Drives the fake AWS with Amazon's own SDK, boto3: what it accepts, AWS's other clients will."""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def main(port, ca, hello):
    def client(service, access, secret, token=None):
        return boto3.client(service, region_name="eu-central-1", endpoint_url=f"https://localhost:{port}", verify=ca,
                            aws_access_key_id=access, aws_secret_access_key=secret, aws_session_token=token,
                            config=Config(retries={"max_attempts": 1}))

    kms = client("kms", "AKIASTATIC", "static/secret+key")
    one, two = hello["arns"]
    assert kms.describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "Enabled"
    context = {"keyraft:place": "00ff"}
    sealed = kms.encrypt(KeyId=one, Plaintext=b"x" * 64, EncryptionContext=context)["CiphertextBlob"]
    back = kms.decrypt(KeyId=one, CiphertextBlob=sealed, EncryptionContext=context)
    assert back["Plaintext"] == b"x" * 64 and back["KeyId"] == one
    refuses("InvalidCiphertextException", lambda: kms.decrypt(KeyId=one, CiphertextBlob=sealed))
    refuses("IncorrectKeyException",
            lambda: kms.decrypt(KeyId=two, CiphertextBlob=sealed, EncryptionContext=context))
    refuses("NotFoundException", lambda: kms.describe_key(KeyId=one[:-1] + "_"))
    wrong = client("kms", "AKIASTATIC", "another secret")
    refuses("InvalidSignatureException", lambda: wrong.describe_key(KeyId=one))
    refuses("UnrecognizedClientException", lambda: client("kms", "AKIANONE", "x").describe_key(KeyId=one))
    plain = client("kms", "AKIAASSUMES", "assumes/secret")
    refuses("AccessDeniedException", lambda: plain.describe_key(KeyId=one))

    sts = client("sts", "AKIAASSUMES", "assumes/secret")
    refuses("AccessDenied", lambda: sts.assume_role(RoleArn=hello["role"], RoleSessionName="keyraft"))
    given = sts.assume_role(RoleArn=hello["role"], RoleSessionName="keyraft", ExternalId=hello["external_id"])
    got = given["Credentials"]
    role = client("kms", got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])
    assert role.describe_key(KeyId=one)["KeyMetadata"]["Arn"] == one
    stolen = client("kms", got["AccessKeyId"], got["SecretAccessKey"], "another token")
    refuses("UnrecognizedClientException", lambda: stolen.describe_key(KeyId=one))


def refuses(code, call):
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"expected {code}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
    print(json.dumps({"driver": "boto3", "passed": True}))
