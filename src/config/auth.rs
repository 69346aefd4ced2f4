//! Credentials of providers that take no fixed key: requests signed for AWS, and tokens of Microsoft
//! Entra ID. Envoy gets and renews both; the module sees neither.

use std::collections::BTreeSet;

use super::{
    base_url::{BaseUrl, read_url},
    key_file::read_key_file,
    read::ObjectReader,
    table::{
        ValueType::{Object, Origin, Path, Text},
        defaults_to, object_table, optional, required, word, words_of,
    },
};
use crate::region::PerRegion;

object_table! {
    /// Credentials that Envoy gets and renews: exactly one of the two kinds.
    pub(super) static AUTH = "provider.auth" {
        /// Signs requests for AWS (Signature Version 4).
        "aws": Object(&AWS), optional("requests are not signed");
        /// Sends tokens of Microsoft Entra ID.
        "azure": Object(&AZURE), optional("no token is sent");
    }
}

object_table! {
    /// Signature of requests for AWS.
    static AWS = "provider.auth.aws" {
        /// Service in the signature.
        "service": Text, defaults_to("bedrock");
        /// AWS region in the signature.
        "region": Text, optional("the AWS region in the host name of each `base_url`");
        /// Source of the credentials.
        "from": word(|| words_of(&AwsSource::WORDS)),
            optional("the standard chain: the first of `environment`, `credentials_file`, \
                `web_identity`, `container` and `instance_metadata` that has credentials");
        /// File for `from: credentials_file`. Envoy reads it again when another file replaces it.
        "credentials_file": Path,
            optional("the variable `AWS_SHARED_CREDENTIALS_FILE`, or `~/.aws/credentials`");
        /// Profile in the credentials file.
        "profile": Text, optional("the variable `AWS_PROFILE`, or `default`");
        /// ARN of the role to assume, for `from: web_identity`.
        "role": Text, optional("the variable `AWS_ROLE_ARN`, in the standard chain only");
        /// File with the token of a web identity, for `from: web_identity`.
        "token_file": Path, optional("the variable `AWS_WEB_IDENTITY_TOKEN_FILE`");
    }
}

object_table! {
    /// Application of Microsoft Entra ID, with a client secret.
    static AZURE = "provider.auth.azure" {
        /// Tenant: its id or its domain.
        "tenant": Text, required("the id of a tenant");
        /// Application (client) id.
        "client_id": Text, required("the id of an application");
        /// File that holds the client secret.
        "client_secret_file": Path, required("the path of a file");
        /// Permissions of the tokens.
        "scope": Text, defaults_to("https://cognitiveservices.azure.com/.default");
        /// URL of the token service, for clouds of their own.
        "authority": Origin, defaults_to("https://login.microsoftonline.com");
    }
}

/// Credentials that Envoy gets and renews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Signatures for AWS.
    Aws(AwsAuth),
    /// Tokens of Microsoft Entra ID.
    Azure(AzureAuth),
}

/// Signature of requests for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsAuth {
    /// Service in the signature.
    pub service: String,
    /// AWS region in the signature. `None`: see [`AwsAuth::region_for`].
    pub region: Option<String>,
    /// Source of the credentials. `None`: the standard chain.
    pub source: Option<AwsSource>,
    /// Credentials file. `None`: the default of AWS's tools.
    pub credentials_file: Option<String>,
    /// Profile in the credentials file.
    pub profile: Option<String>,
    /// ARN of the role that a web identity assumes.
    pub role: Option<String>,
    /// File with the token of a web identity.
    pub token_file: Option<String>,
}

/// Source of AWS credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsSource {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`.
    Environment,
    /// A credentials file.
    CredentialsFile,
    /// A token that AWS's token service exchanges, as in EKS with IAM roles for service accounts.
    WebIdentity,
    /// The agent of ECS, or that of EKS Pod Identity.
    Container,
    /// The metadata service of EC2.
    InstanceMetadata,
}

impl AwsSource {
    const WORDS: [(&'static str, Self); 5] = [
        ("environment", Self::Environment),
        ("credentials_file", Self::CredentialsFile),
        ("web_identity", Self::WebIdentity),
        ("container", Self::Container),
        ("instance_metadata", Self::InstanceMetadata),
    ];

    fn name(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, source)| *source == self).map_or("", |(word, _)| word)
    }
}

/// Application of Microsoft Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureAuth {
    /// Tenant.
    pub tenant: String,
    /// Application id.
    pub client_id: String,
    /// File that holds the client secret.
    pub client_secret_file: String,
    /// Permissions of the tokens.
    pub scope: String,
    /// Token service.
    pub authority: BaseUrl,
}

impl Auth {
    /// Reads `auth`. `keys` are the files that hold accounts' keys, and `urls` the provider's.
    pub(super) fn read(
        entry: ObjectReader<'_>,
        keys: &BTreeSet<String>,
        urls: &PerRegion<BaseUrl>,
        allow_private: bool,
    ) -> Option<Self> {
        let aws = entry.get("aws").map(|aws| AwsAuth::read(aws.object(), urls));
        let azure = entry.get("azure");
        let azure = azure.map(|azure| AzureAuth::read(azure.object(), keys, allow_private));
        match (&aws, &azure) {
            (Some(_), Some(_)) => entry.wrong("azure", "nothing, as there is `aws`"),
            (None, None) => entry.wrong("aws", "an object, or `azure` in its place"),
            _ => {}
        }
        entry.finish();
        aws.map(Self::Aws).or(azure.map(Self::Azure))
    }
}

impl AwsAuth {
    fn read(entry: ObjectReader<'_>, urls: &PerRegion<BaseUrl>) -> Self {
        let text = |key| entry.get(key).map(|value| value.string());
        let auth = Self {
            service: entry.string("service"),
            region: text("region"),
            source: entry.word("from", &AwsSource::WORDS),
            credentials_file: text("credentials_file"),
            profile: text("profile"),
            role: text("role"),
            token_file: text("token_file"),
        };
        auth.check(&entry, urls);
        entry.finish();
        auth
    }

    /// Checks values against each other.
    fn check(&self, entry: &ObjectReader<'_>, urls: &PerRegion<BaseUrl>) {
        let fields = [
            ("credentials_file", &self.credentials_file, AwsSource::CredentialsFile),
            ("profile", &self.profile, AwsSource::CredentialsFile),
            ("role", &self.role, AwsSource::WebIdentity),
            ("token_file", &self.token_file, AwsSource::WebIdentity),
        ];
        for (key, value, source) in fields {
            if value.is_some() && self.source != Some(source) {
                entry.wrong(key, format!("nothing, it is for `from: {}` only", source.name()));
            }
        }
        if self.source == Some(AwsSource::WebIdentity) && self.role.is_none() {
            entry.wrong("role", "the ARN of a role");
        }
        if urls.iter().any(|(_, url)| self.region_for(url).is_none()) {
            entry.wrong("region", "a region of AWS, as a `base_url` names none");
        }
    }

    /// Returns the AWS region in the signature of requests to a URL.
    pub fn region_for<'s>(&'s self, url: &'s BaseUrl) -> Option<&'s str> {
        self.region.as_deref().or_else(|| url.host.split('.').find(|label| is_aws_region(label)))
    }
}

/// Whether a label of a host name is an AWS region, such as `us-west-2` or `us-gov-east-1`.
fn is_aws_region(label: &str) -> bool {
    let mut words = label.split('-');
    let is_area = words.next().is_some_and(|word| word.len() == 2);
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    is_area && words.clone().count() >= 2 && words.next_back().is_some_and(is_number)
}

impl AzureAuth {
    /// Name of Envoy's cluster for a provider's token service. No provider's name begins with an
    /// underscore.
    pub fn cluster(provider: &str) -> String {
        format!("_authority-{provider}")
    }

    fn read(entry: ObjectReader<'_>, keys: &BTreeSet<String>, allow_private: bool) -> Self {
        let secret = entry.get("client_secret_file").map(|path| read_key_file(&path, keys));
        let authority = entry.get("authority").map(|url| read_url(&url, allow_private));
        let authority = authority.or_else(|| BaseUrl::parse(&entry.string("authority")));
        let auth = Self {
            tenant: entry.string("tenant"),
            client_id: entry.string("client_id"),
            client_secret_file: secret.unwrap_or_default(),
            scope: entry.string("scope"),
            authority: authority.unwrap_or(BaseUrl::PLACEHOLDER),
        };
        if !auth.tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)) {
            entry.wrong("tenant", "letters, digits, dots and hyphens");
        }
        if !auth.authority.path.is_empty() {
            entry.wrong("authority", "a URL without a path");
        }
        entry.finish();
        auth
    }
}
