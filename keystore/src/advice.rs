//! What the owner of a root has to grant, as text to be pasted: the least that works, per provider.

use crate::config::{
    AwsKmsConfig, AzureConfig, GcpKmsConfig, KmipConfig, Pkcs11Config, TransitAuth, TransitConfig,
};
use crate::{RootConfig, Snippet};

/// The least that must be granted; `None` where the store has no policies.
pub fn policy(config: &RootConfig) -> Option<Snippet> {
    let (title, text) = match config {
        RootConfig::Software(_) | RootConfig::Pkcs11(_) | RootConfig::Kmip(_) => return None,
        RootConfig::AwsKms(config) => ("policy of the role that keyraft assumes (JSON)", aws_policy(config)),
        RootConfig::AzureKeyVault(_) => ("custom role of Azure RBAC (JSON)", AZURE_ROLE.to_owned()),
        RootConfig::GcpKms(_) => ("custom role of Google Cloud IAM (YAML)", GCP_ROLE.to_owned()),
        RootConfig::Transit(config) => ("policy for keyraft's token (HCL)", transit_policy(config)),
    };
    Some(Snippet { title: title.to_owned(), text })
}

/// Commands that make the key and grant what is needed.
pub fn script(config: &RootConfig) -> Option<Snippet> {
    let (title, text) = match config {
        RootConfig::Software(_) => return None,
        RootConfig::Pkcs11(config) => ("with OpenSC's pkcs11-tool (sh)", pkcs11_script(config)),
        RootConfig::AwsKms(config) => ("with the AWS command line (sh)", aws_script(config)),
        RootConfig::AzureKeyVault(config) => ("with the Azure command line (sh)", azure_script(config)),
        RootConfig::GcpKms(config) => ("with gcloud (sh)", gcp_script(config)),
        RootConfig::Transit(config) => ("with bao, or vault in its place (sh)", transit_script(config)),
        RootConfig::Kmip(config) => ("what the key must be, in the words of KMIP", kmip_words(config)),
    };
    Some(Snippet { title: title.to_owned(), text })
}

/// A value between single quotes for a shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// A value inside a JSON text.
fn json(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn pkcs11_script(config: &Pkcs11Config) -> String {
    format!(
        "pkcs11-tool --module \"$MODULE\" --token-label {} --login \\\n  --keygen --key-type aes:32 --sensitive --label {} --id {}\n",
        quoted(&config.token),
        quoted(&config.key_label),
        config.key_id,
    )
}

fn aws_policy(config: &AwsKmsConfig) -> String {
    format!(
        r#"{{
  "Version": "2012-10-17",
  "Statement": [{{
    "Sid": "KeyraftWrapsTenantKeys",
    "Effect": "Allow",
    "Action": ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"],
    "Resource": {}
  }}]
}}
"#,
        json(&config.key_arn)
    )
}

fn aws_script(config: &AwsKmsConfig) -> String {
    let role = config.role_arn.as_deref().and_then(|arn| arn.rsplit('/').next()).unwrap_or("keyraft");
    let external = config.external_id.as_deref().unwrap_or("<external id shown by keyraft>");
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"'"$KEYRAFT_PRINCIPAL"'"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":{}}}}}}}]}}"#,
        json(external)
    );
    format!(
        "# KEYRAFT_PRINCIPAL: the ARN under which keyraft signs, told by its operator\n\
         aws iam create-role --role-name {role} --assume-role-policy-document '{trust}'\n\
         aws iam put-role-policy --role-name {role} --policy-name keyraft --policy-document file://policy.json\n",
        role = quoted(role),
    )
}

/// Actions on data, nothing that manages keys.
const AZURE_ROLE: &str = r#"{
  "Name": "keyraft wraps tenant keys",
  "IsCustom": true,
  "Actions": [],
  "DataActions": [
    "Microsoft.KeyVault/vaults/keys/read",
    "Microsoft.KeyVault/vaults/keys/wrap/action",
    "Microsoft.KeyVault/vaults/keys/unwrap/action"
  ],
  "AssignableScopes": ["/subscriptions/<subscription>"]
}
"#;

fn azure_script(config: &AzureConfig) -> String {
    let vault = config.key_url.trim_start_matches("https://").split('.').next().unwrap_or_default();
    let name =
        config.key_url.split("/keys/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    format!(
        "az keyvault key create --vault-name {vault} --name {name} --kty RSA-HSM --size 3072 \\\n  \
         --ops wrapKey unwrapKey\n\
         az role assignment create --assignee {client} --role 'keyraft wraps tenant keys' \\\n  \
         --scope \"$(az keyvault show --name {vault} --query id -o tsv)/keys/\"{name}\n",
        vault = quoted(vault),
        name = quoted(name),
        client = quoted(&config.client_id),
    )
}

const GCP_ROLE: &str = "title: keyraft wraps tenant keys
stage: GA
includedPermissions:
- cloudkms.cryptoKeys.get
- cloudkms.cryptoKeyVersions.useToEncrypt
- cloudkms.cryptoKeyVersions.useToDecrypt
";

fn gcp_script(config: &GcpKmsConfig) -> String {
    let part = |name: &str| {
        config.key_name.split('/').skip_while(|part| *part != name).nth(1).unwrap_or_default().to_owned()
    };
    let account = config.service_account.as_deref().unwrap_or("<service account of keyraft>");
    format!(
        "gcloud iam roles create keyraft --project {project} --file role.yaml\n\
         gcloud kms keys create {key} --project {project} --location {location} --keyring {ring} \\\n  \
         --purpose encryption --protection-level hsm\n\
         gcloud kms keys add-iam-policy-binding {key} --project {project} --location {location} \\\n  \
         --keyring {ring} --member serviceAccount:{account} --role projects/{project}/roles/keyraft\n",
        project = quoted(&part("projects")),
        location = quoted(&part("locations")),
        ring = quoted(&part("keyRings")),
        key = quoted(&part("cryptoKeys")),
        account = quoted(account),
    )
}

fn transit_policy(config: &TransitConfig) -> String {
    let TransitConfig { mount, key, .. } = config;
    let path = |verb: &str, capability: &str| {
        format!(
            "path {} {{\n  capabilities = [\"{capability}\"]\n}}\n",
            json(&format!("{mount}/{verb}/{key}"))
        )
    };
    [path("encrypt", "update"), path("decrypt", "update"), path("keys", "read")].concat()
}

fn transit_script(config: &TransitConfig) -> String {
    let TransitConfig { mount, key, .. } = config;
    let login = match &config.auth {
        TransitAuth::Token => "# keyraft renews it, so it lasts for as long as its root is used\n\
             bao token create -policy=keyraft -period=24h -orphan -display-name=keyraft\n"
            .to_owned(),
        TransitAuth::AppRole { mount, .. } => format!(
            "bao write auth/{mount}/role/keyraft token_policies=keyraft token_ttl=1h\n\
             bao write -f auth/{mount}/role/keyraft/secret-id\n"
        ),
        TransitAuth::Jwt { role, mount } => format!(
            "bao write auth/{mount}/role/{role} role_type=jwt user_claim=sub token_policies=keyraft token_ttl=1h\n"
        ),
    };
    format!(
        "bao secrets enable -path={mount} transit\n\
         bao write -f {path} type=aes256-gcm96 exportable=false allow_plaintext_backup=false\n\
         bao policy write keyraft keyraft.hcl\n{login}",
        mount = quoted(mount),
        path = quoted(&format!("{mount}/keys/{key}")),
    )
}

fn kmip_words(config: &KmipConfig) -> String {
    format!(
        "Create, Object Type Symmetric Key, then Activate:\n  \
         Cryptographic Algorithm AES, Cryptographic Length 256\n  \
         Cryptographic Usage Mask Encrypt, Decrypt\n  \
         Sensitive true, Extractable false (KMIP 1.4)\n  \
         State Active\n\
         its Unique Identifier is configured as {}; the certificate of keyraft's credentials\n\
         is allowed Encrypt, Decrypt and Get Attributes on it, and nothing else\n",
        config.key_uid
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_well_formed_whatever_the_names_hold() {
        let aws = AwsKmsConfig {
            key_arn: "arn:aws:kms:eu-central-1:1:key/\"x".to_owned(),
            role_arn: Some("arn:aws:iam::1:role/it's".to_owned()),
            external_id: Some("e".to_owned()),
            endpoint: None,
            sts_endpoint: None,
        };
        let parsed: serde_json::Value = serde_json::from_str(&aws_policy(&aws)).unwrap();
        assert_eq!(parsed["Statement"][0]["Resource"], aws.key_arn);
        assert!(aws_script(&aws).contains(r"--role-name 'it'\''s'"));
        serde_json::from_str::<serde_json::Value>(AZURE_ROLE).unwrap();
    }
}
