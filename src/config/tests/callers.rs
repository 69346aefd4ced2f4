//! Listeners, accounts and their authentication.

use super::*;

#[test]
fn a_port_belongs_to_one_listener() {
    assert_messages(
        r#"
/listeners/eu = {"port": 8081}
/listeners/eu = {"port": 8080, "address": "127.0.0.2"}
/listeners/eu = {"port": 8080}
  listeners.eu.port: found `8080`, allowed: a port that neither `admin` nor another listener has
/listeners/eu = {"port": 8080, "address": "0.0.0.0"}
  listeners.eu.port: found `8080`, allowed: a port that neither `admin` nor another listener has
/listeners/eu = {"port": 9901}
  listeners.eu.port: found `9901`, allowed: a port that neither `admin` nor another listener has
/admin = {"port": 8080}
  listeners.us.port: found `8080`, allowed: a port that neither `admin` nor another listener has
"#,
    );
}

#[test]
fn a_key_file_belongs_to_one_account() {
    assert_messages(
        r#"
/accounts/demo/key_files = ["a.key", "b.key"]
/accounts/demo/key_files = ["a.key", "a.key"]
  accounts.demo.key_files[1]: found `a.key`, allowed: a file that no account has named yet
/accounts/other = {"plan": "paid", "key_files": ["demo.key"]}
  accounts.other.key_files[0]: found `demo.key`, allowed: a file that no account has named yet
/providers/openai/key_file = "demo.key"
  providers.openai.key_file: found `demo.key`, allowed: a file that holds no account's key
"#,
    );
}

#[test]
fn every_field_of_jwt_is_checked() {
    assert_messages(
        r#"
/jwt = {"issuer": "https://id.example", "jwks_file": "keys.json", "account_claim": "org"}
/jwt = {"issuer": "me", "jwks_url": "https://id.example/jwks.json", "audiences": ["a", "b"]}
/jwt = {}
  jwt.issuer: missing, allowed: the claim `iss` of the tokens
  jwt.jwks_file: missing, allowed: the path of a file, or a `jwks_url` in its place
/jwt = {"issuer": "", "jwks_file": "k", "jwks_url": "http://10.0.0.1/k", "audiences": "a"}
  jwt.issuer: found `""`, allowed: a string
  jwt.audiences: found `a`, allowed: a list
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: `https`, or `allow_private: true` in this entry
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: a public host, or `allow_private: true` in
    this entry
  jwt.jwks_url: found `http://10.0.0.1/k`, allowed: nothing, as there is a `jwks_file`
/jwt = {"issuer": "x", "jwks_file": "k", "keys": 1}
  jwt.keys: unknown key, allowed: `issuer`, `audiences`, `allow_private`, `jwks_file`, `jwks_url`,
    `account_claim`
"#,
    );
}

#[test]
fn names_are_safe_in_paths_headers_and_metrics() {
    let plan = json!({"requests_per_minute": 1});
    let allowed = "up to 64 letters, digits and `-_.`, the first a letter or digit";
    let long = "x".repeat(65);
    let messages = |name: &str| mistakes(&with(&format!("/plans/{name}"), plan.clone()));
    for name in ["p", "9", "GPT-4.1_x", &long[..64]] {
        assert_eq!(messages(name), "", "{name}");
    }
    for name in ["", ".", "-p", "a b", "a:b", "é", "a\nb", &long] {
        assert!(
            messages(name).ends_with(&format!(", allowed: {allowed}")),
            "{name:?}: {}",
            messages(name)
        );
    }
    assert_messages(
        r#"
/plans/a b = {"requests_per_minute": 1}
  plans.a b: found the name `a b`, allowed: up to 64 letters, digits and `-_.`, the first a letter
    or digit
/plans/PAID = {"requests_per_minute": 1}
  plans.PAID: found the name `PAID`, allowed: a name that differs from `paid` in more than case
"#,
    );
}
