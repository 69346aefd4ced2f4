//! Providers and the transcript service: URLs, keys and quirks.

use super::*;

#[test]
fn every_field_of_transcripts_is_checked() {
    assert_messages(
        r#"
/transcripts = {"base_url": {"us": "https://x.example"}, "caller_key": true, "timeout": "5s"}
/transcripts = {"base_url": {"eu": "https://x.example/a/"}, "key_file": "t.key"}
/transcripts = {}
  transcripts.base_url: missing, allowed: an object, `us` or `eu` to URL
  transcripts.key_file: missing, allowed: the path of a file, or `caller_key: true` in its place
/transcripts = {"base_url": {"global": "https://x.example"}, "key_file": "demo.key"}
  transcripts.base_url.global: unknown key, allowed: `us`, `eu`
  transcripts.base_url: found an object, allowed: `us` or `eu`, at least one of them
  transcripts.key_file: found `demo.key`, allowed: a file that holds no account's key
/transcripts = {"base_url": {"us": "http://127.0.0.1"}, "key_file": "t.key", "caller_key": true}
  transcripts.base_url.us: found `http://127.0.0.1`, allowed: `https`, or `allow_private: true` in
    this entry
  transcripts.base_url.us: found `http://127.0.0.1`, allowed: a public host, or
    `allow_private: true` in this entry
  transcripts.caller_key: found `true`, allowed: `false`, as there is a `key_file`
/transcripts = {"base_url": {"us": "https://u:p@x.example"}, "caller_key": true, "key": "k"}
  transcripts.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
  transcripts.key: unknown key, allowed: `allow_private`, `base_url`, `key_file`, `caller_key`,
    `timeout`
"#,
    );
}

#[test]
fn every_field_of_a_provider_is_checked() {
    assert_messages(
        r#"
/providers/openai = {}
  providers.openai.api_schema: missing, allowed: `openai`, `openai-responses`, `anthropic`, `gemini`
    or `bedrock-converse`
  providers.openai.base_url: missing, allowed: an object, `us`, `eu` or `global` to URL
/providers/openai/base_url = "https://api.openai.com/v1"
  providers.openai.base_url: found `https://api.openai.com/v1`, allowed: an object
/providers/openai/base_url/uk = "https://example.com"
  providers.openai.base_url.uk: unknown key, allowed: `us`, `eu`, `global`
/providers/openai/base_url/Global = "https://example.com"
  providers.openai.base_url.Global: unknown key, allowed: `us`, `eu`, `global`
/providers/openai/base_url/us = "https://api.openai.com/v1/chat/completions/"
  providers.openai.base_url: found an object, allowed: URLs without `/chat/completions`, which goes
    after them
/providers/openai/base_url/us = "https://api.openai.com/v1/responses"
  providers.openai.base_url: found an object, allowed: URLs without `/responses`, which goes after
    them
/providers/openai/api_schema = "openai-responses"
/providers/openai/key_file = 1
  providers.openai.key_file: found `1`, allowed: a string
/providers/openai/key_header = "Authorization"
  providers.openai.key_header: found `Authorization`, allowed: `authorization`, `x-api-key`,
    `x-goog-api-key`, `api-key`
/providers/openai/quirks = ["no_stream"]
  providers.openai.quirks[0]: found `no_stream`, allowed: `max_tokens`, `system_for_developer`,
    `name_in_content`, `text_in_one_string`, `no_stream_options`, `no_strict_tools`,
    `reasoning_with_tool_calls`, `reasoning_details`, `reasoning_tags`, `reasoning_tag_in_prompt`,
    `thinking_only_streamed`, `moonshot_schemas`, `raw_predict`
/providers/openai/forward_unknown = 1
  providers.openai.forward_unknown: found `1`, allowed: `true` or `false`
/providers/bedrock/forward_unknown = false
/providers/bedrock/forward_unknown = true
  providers.bedrock.forward_unknown: found `true`, allowed: nothing, it is for `api_schema: openai`
    only
/providers/bedrock/quirks = ["max_tokens"]
  providers.bedrock.quirks: found a list, allowed: nothing, it is for `api_schema: openai` only
/providers/bedrock/quirks = ["raw_predict"]
/providers/openai/quirks = ["raw_predict"]
  providers.openai.quirks: found a list, allowed: nothing, it is for `api_schema: anthropic` only
/providers/openai/api_key = "sk-1"
  providers.openai.api_key: unknown key, allowed: `api_schema`, `allow_private`, `base_url`,
    `key_file`, `key_files`, `key_header`, `auth`, `quirks`, `forward_unknown`, `circuit_breakers`,
    `outlier_detection`
/providers/openai/circuit_breakers = {"max_requests": 0, "max_retries": 3}
  providers.openai.circuit_breakers.max_requests: found `0`, allowed: a whole number from 1 to
    4294967295
  providers.openai.circuit_breakers.max_retries: unknown key, allowed: `max_connections`,
    `max_pending_requests`, `max_requests`
/providers/openai/outlier_detection = {"consecutive_5xx": "5", "base_ejection_time": 30}
  providers.openai.outlier_detection.consecutive_5xx: found `"5"`, allowed: a whole number from 1 to
    4294967295
  providers.openai.outlier_detection.base_ejection_time: found `30`, allowed: a duration from `1ms`
    to `24h`, such as `500ms`, `20s` or `5m`
"#,
    );
}

#[test]
fn every_field_of_auth_is_checked() {
    assert_messages(
        r#"
/providers/bedrock/auth = {}
  providers.bedrock.auth.aws: missing, allowed: an object, or `azure` in its place
/providers/bedrock/auth = {"aws": {}}
  providers.bedrock.auth.aws.region: missing, allowed: a region of AWS, as a `base_url` names none
/providers/bedrock/auth = {"aws": {"region": "us-west-2"}}
/providers/bedrock/auth = {"aws": {"region": "us-west-2", "from": "file", "key": "k"}}
  providers.bedrock.auth.aws.from: found `file`, allowed: `environment`, `credentials_file`,
    `web_identity`, `container`, `instance_metadata`
  providers.bedrock.auth.aws.key: unknown key, allowed: `service`, `region`, `from`,
    `credentials_file`, `profile`, `role`, `token_file`
/providers/bedrock/auth = {"aws": {"region": "us-west-2", "profile": "p", "token_file": "t"}}
  providers.bedrock.auth.aws.profile: found `p`, allowed: nothing, it is for
    `from: credentials_file` only
  providers.bedrock.auth.aws.token_file: found `t`, allowed: nothing, it is for
    `from: web_identity` only
/providers/bedrock/auth = {"aws": {"region": "us-west-2", "from": "web_identity"}}
  providers.bedrock.auth.aws.role: missing, allowed: the ARN of a role
/providers/bedrock/auth = {"azure": {}}
  providers.bedrock.auth.azure.client_secret_file: missing, allowed: the path of a file
  providers.bedrock.auth.azure.tenant: missing, allowed: the id of a tenant
  providers.bedrock.auth.azure.client_id: missing, allowed: the id of an application
/providers/bedrock/auth = {"azure": {"tenant": "a/b", "client_id": "c", "client_secret_file": "demo.key", "authority": "https://login.example/x"}}
  providers.bedrock.auth.azure.client_secret_file: found `demo.key`, allowed: a file that holds no
    account's key
  providers.bedrock.auth.azure.tenant: found `a/b`, allowed: letters, digits, dots and hyphens
  providers.bedrock.auth.azure.authority: found `https://login.example/x`, allowed: a URL without a
    path
/providers/bedrock/auth = {"aws": {"region": "a"}, "azure": {"tenant": "a", "client_id": "c", "client_secret_file": "s"}}
  providers.bedrock.auth.azure: found an object, allowed: nothing, as there is `aws`
/providers/bedrock = {"api_schema": "anthropic", "base_url": {"eu": "https://example.com"}, "key_file": "a.key", "auth": {"aws": {"region": "us-west-2"}}}
  providers.bedrock.auth: found an object, allowed: nothing, as there is a `key_file`
"#,
    );
}

#[test]
fn a_signature_has_the_region_of_the_host_it_is_for() {
    let read = |auth: serde_json::Value| {
        let mut document: serde_json::Value =
            serde_json::from_str(include_str!("smallest.json")).unwrap();
        document["providers"]["bedrock"]["base_url"] = serde_json::json!({
            "us": "https://bedrock-runtime.us-gov-west-1.amazonaws.com",
            "eu": "https://bedrock-mantle.eu-central-1.api.aws/anthropic/v1",
        });
        document["providers"]["bedrock"]["auth"] = auth;
        let config = Config::parse(&document).unwrap();
        let Some(auth::Auth::Aws(aws)) = &config.providers["bedrock"].auth else { panic!() };
        let urls = config.providers["bedrock"].base_urls.iter();
        urls.map(|(_, url)| aws.region_for(url).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(read(serde_json::json!({"aws": {}})), ["us-gov-west-1", "eu-central-1"]);
    let fixed = serde_json::json!({"aws": {"region": "us-east-2"}});
    assert_eq!(read(fixed), ["us-east-2", "us-east-2"]);
}

#[test]
fn a_url_has_a_scheme_a_host_and_a_path() {
    let cases = [
        ("https://api.example.com", Some(("api.example.com", 443, ""))),
        ("https://API.example.com/v1/", Some(("api.example.com", 443, "/v1"))),
        ("https://api.example.com:8443/a/b", Some(("api.example.com:8443", 8443, "/a/b"))),
        ("https://[2001:4860::1]/v1", Some(("[2001:4860::1]", 443, "/v1"))),
        ("https://[2001:4860::1]:8443", Some(("[2001:4860::1]:8443", 8443, ""))),
        ("HTTPS://api.example.com///", Some(("api.example.com", 443, ""))),
        ("https://api.example.com:443/v1//", Some(("api.example.com", 443, "/v1"))),
        ("https://api.example.com./v1", Some(("api.example.com", 443, "/v1"))),
        ("https://a_b.xn--bcher-kva.example", Some(("a_b.xn--bcher-kva.example", 443, ""))),
        ("https://api.example.com/a%20b/v1", Some(("api.example.com", 443, "/a%20b/v1"))),
        ("api.example.com", None),
        ("ftp://api.example.com", None),
        ("https://", None),
        ("https://api.example.com:0", None),
        ("https://api.example.com:", None),
        ("https://api.example.com:65536", None),
        ("https://api.example.com:443:443", None),
        ("https://api.example.com:+443", None),
        ("https://api.example.com:abc", None),
        ("https://user:secret@api.example.com", None),
        ("https://@api.example.com", None),
        ("https://api.example.com?a=b", None),
        ("https://api.example.com#a", None),
        ("https://[2001:4860::1", None),
        ("https://[fe80::1%25eth0]/v1", None),
        ("https://[::ffff]bad]", None),
        ("https://2001:4860::1/v1", None),
        ("https://api example.com", None),
        ("https://api.example.com\n", None),
        ("https://api.example.com\\@evil.example", None),
        ("https://b\u{fc}cher.example", None),
        ("https://127\u{3002}0\u{3002}0\u{3002}1", None),
        ("https://api%2eexample.com", None),
        ("https://*.example.com", None),
        ("https://a,b.example.com", None),
        ("https://a..example.com", None),
        ("https://.example.com", None),
        ("https://api.example.com/v\u{e9}", None),
        ("https:api.example.com", None),
        ("https:///v1", None),
        ("//api.example.com/v1", None),
        ("/v1", None),
        ("", None),
    ];
    for (url, expected) in cases {
        let config = Config::parse(&with("/providers/openai/base_url/us", json!(url))).ok();
        let base = config
            .map(|config| config.providers["openai"].base_urls.get(Region::Us).cloned().unwrap());
        let found = base.map(|base| (base.authority(), base.port, base.path));
        let expected = expected.map(|(host, port, path)| (host.to_owned(), port, path.to_owned()));
        assert_eq!(found, expected, "{url}");
    }
}

#[test]
fn no_message_shows_a_key_in_a_url() {
    assert_messages(
        r#"
/providers/openai/base_url/us = "https://user:hunter2@example.com/v1"
  providers.openai.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
/providers/openai/base_url/us = "https://example.com/v1?key=hunter2"
  providers.openai.base_url.us: found a URL with `@`, `?` or `#`, allowed: a URL such as
    `https://api.example.com/v1`
"#,
    );
}

#[test]
fn private_hosts_need_allow_private() {
    let private = "localhost LOCALHOST localhost. api.localhost gateway vllm.internal \
        vllm.internal. printer.local box.home.arpa 10.0.0.1 127.0.0.1 127.1 0x7f.1 2130706433 \
        172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3 224.0.0.1 \
        255.255.255.255 240.0.0.1 198.18.0.1 192.0.0.8 10.0.0.1. 0177.0.0.01 127.0.0.0x1 \
        [::1] [::] [fc00::1] [fe80::1] [fec0::1] [ff02::1] [::ffff:10.0.0.1] [::ffff:7f00:1] \
        [::ffff:8.8.8.8] [::127.0.0.1] [64:ff9b:1::a00:1]";
    let public = "api.openai.com localhost.example.com internal.example.com 8.8.8.8 172.32.0.1 \
        100.128.0.1 api.openai.com. [2001:4860::1] [64:ff9b::808:808]";
    let messages = |url: &str, allow_private: bool| {
        let base_url = json!({"us": url});
        let provider =
            json!({"api_schema": "openai", "base_url": base_url, "allow_private": allow_private});
        mistakes(&with("/providers/openai", provider))
    };
    for host in private.split_whitespace() {
        let url = format!("https://{host}/v1");
        let path = "providers.openai.base_url.us";
        let allowed = "a public host, or `allow_private: true` in this entry";
        assert_eq!(messages(&url, false), format!("{path}: found `{url}`, allowed: {allowed}"));
        assert_eq!(messages(&url, true), "", "{url}");
    }
    for host in public.split_whitespace() {
        assert_eq!(messages(&format!("https://{host}/v1"), false), "", "{host}");
    }
    assert_eq!(messages("http://api.openai.com/v1", true), "");
    assert_messages(
        r#"
/providers/openai/base_url/us = "http://api.openai.com/v1"
  providers.openai.base_url.us: found `http://api.openai.com/v1`, allowed: `https`, or
    `allow_private: true` in this entry
"#,
    );
}
