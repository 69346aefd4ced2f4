//! The command as an operator uses it, and what Envoy says to what it writes.

use super::claims::*;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;
use testkit::envoy::Setup;
use testkit::programs::{attache, envoy};

/// Every `gateway.yaml` there is: the tests' own, and the sample for operators.
fn files() -> Vec<(&'static str, String)> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/gateway.yaml");
    let sample = fs::read_to_string(sample).map(|text| ("the sample", text));
    [("the tests'", YAML.to_owned())].into_iter().chain(sample.ok()).collect()
}

#[test]
fn envoy_accepts_what_is_rendered() {
    for (name, yaml) in files() {
        let rendered = Setup::new(&yaml).render();
        let whole = as_one(&rendered.dir.join("envoy"));
        for kind in ["listeners", "clusters"] {
            let count = whole["static_resources"][kind].as_array().map_or(0, Vec::len);
            assert!(count > 1, "{name} has {count} {kind}");
        }
        let path = rendered.dir.join("whole.json");
        fs::write(&path, whole.to_string()).expect("a file");
        let output = validate(&path);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {told}");
        for word in ["deprecated", "[error]", "[critical]"] {
            let line = told.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "{name}");
        }
    }
}

/// Lets Envoy check a file. An Envoy aborts without a reason when other programs have all inotify
/// instances of the user, so one that aborts is started again.
fn validate(path: &Path) -> Output {
    let mut validate = Command::new(envoy());
    validate.args(["--mode", "validate", "--disable-hot-restart", "--config-path"]).arg(path);
    for _ in 0..30 {
        let output = validate.output().expect("Envoy starts");
        if output.status.signal().is_none() {
            return output;
        }
        thread::sleep(Duration::from_secs(1));
    }
    validate.output().expect("Envoy starts")
}

/// A bootstrap with everything inside: Envoy does not look into watched files when it validates.
fn as_one(dir: &Path) -> Value {
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(dir.join(name)).expect("a file");
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let resources = |name| {
        let mut file = read(name);
        let list = file["resources"].as_array_mut().expect("resources");
        for resource in list.iter_mut() {
            resource.as_object_mut().expect("a resource").remove("@type");
        }
        file["resources"].take()
    };
    let mut whole = read("envoy.yaml");
    whole.as_object_mut().expect("a bootstrap").remove("dynamic_resources");
    whole["static_resources"] =
        json!({"listeners": resources("listeners.yaml"), "clusters": resources("clusters.yaml")});
    whole
}

#[test]
fn what_is_rendered_runs() {
    let Some((_, sample)) = files().pop() else { return };
    let gateway = Setup::new(&sample).start();
    let answer = gateway.us().send(testkit::client::Request::get("/v1/models"));
    let listed = answer.json()["data"].as_array().map_or(0, Vec::len);
    assert!(listed > 0, "{answer:?}");
    let stats = gateway.admin("/stats?filter=(lds|cds).update_rejected");
    assert!(
        stats.lines().count() >= 2 && stats.lines().all(|line| line.ends_with(": 0")),
        "{stats}"
    );
    gateway.assert_unharmed();
}

#[test]
fn check_says_what_is_there_and_finds_no_fault_with_what_is_right() {
    for (name, yaml) in files() {
        let rendered = Setup::new(&yaml).render();
        let output = run("check", &rendered.dir.join("gateway.yaml"), &[]);
        assert_eq!(output.status.code(), Some(0), "{name}: {output:?}");
        // The hosts of the tests are nowhere, and some models of the sample are retired.
        let told = text(&output.stderr);
        let warnings = told.lines().filter(|line| !line.ends_with("does not resolve here"));
        let warnings = warnings.filter(|line| !line.contains(".retirement_date: the model "));
        assert_eq!(warnings.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}");
        assert!(text(&output.stdout).contains("no mistakes"), "{name}: {output:?}");
    }
}

#[test]
fn check_warns_of_an_administration_that_others_can_reach() {
    let rendered = Setup::new(&keyless(YAML)).render();
    let path = rendered.dir.join("gateway.yaml");
    let yaml = fs::read_to_string(&path).unwrap();
    let own = |address| yaml.replace("admin: {", &format!("admin: {{address: \"{address}\", "));
    for (address, warns) in
        [("127.0.0.1", false), ("::1", false), ("0.0.0.0", true), ("::", true), ("10.0.0.1", true)]
    {
        assert_ne!(own(address), yaml);
        fs::write(&path, own(address)).unwrap();
        let told = text(&run("check", &path, &[]).stderr);
        assert_eq!(told.contains(&format!("`{address}` can stop Envoy")), warns, "{told}");
    }
    // Nobody has to say so.
    assert!(!yaml.contains("address"), "{yaml}");
    let admin = fs::read_to_string(rendered.dir.join("envoy/envoy.yaml")).unwrap();
    assert!(admin.contains("socket_address: {address: \"127.0.0.1\""), "{admin}");
}

#[test]
fn render_warns_of_a_module_that_is_not_there() {
    let rendered = Setup::new(&keyless(YAML)).render();
    let (path, out) = (rendered.dir.join("gateway.yaml"), rendered.dir.join("other"));
    let module = out.join("attache.wasm");
    let told = || text(&run("render", &path, &["--out", out.to_str().unwrap()]).stderr);
    let warning = format!("{} does not exist", module.display());
    let before = told();
    assert!(before.contains(&warning), "{before}");
    fs::write(&module, "").unwrap();
    let after = told();
    assert!(!after.contains("attache.wasm"), "{after}");
}

#[test]
fn every_mistake_is_named_at_once_with_its_path() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = wrong_file(dir.path());
    let out = dir.path().join("out");
    let out = out.to_str().unwrap();
    for output in [run("check", &path, &[]), run("render", &path, &["--out", out])] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(text(&output.stdout), "");
        let told = text(&output.stderr);
        let mistakes = [
            "listeners.us.port: found `99999`, allowed: a whole number from 1 to 65535",
            "plans.free.requests_per_minute: ",
            "accounts.acme.plan: found `gold`, allowed: `free`",
            "providers.openai.api_schema: found `open`, allowed: ",
            "providers.house.base_url.us: ",
            "models.gpt.regions.us.provider: found `openia`, allowed: ",
            "models.gpt.context_length: missing",
            "models.gpt.max_ouput_tokens: unknown key, allowed: ",
            "telemetry: unknown key",
        ];
        for mistake in mistakes {
            assert!(told.contains(mistake), "`{mistake}` is not in\n{told}");
        }
    }
    assert!(!Path::new(out).join("envoy.yaml").exists());
}

fn wrong_file(dir: &Path) -> PathBuf {
    let path = dir.join("gateway.yaml");
    let yaml = r#"
listeners: {us: {port: 99999}}
telemetry: on
plans: {free: {requests_per_minute: -1}}
accounts: {acme: {plan: gold, key_files: [secrets/acme.key]}}
providers:
  openai: {api_schema: open, base_url: {us: "https://api.openai.example/v1"}}
  house: {api_schema: openai, base_url: {us: "http://10.0.0.7/v1"}}
models:
  gpt:
    name: A model
    regions: {us: {provider: openia, upstream_model: gpt}}
    max_ouput_tokens: 5
    max_output_tokens: 5
"#;
    fs::write(&path, yaml).expect("a file");
    path
}

#[test]
fn a_file_with_mistakes_leaves_earlier_files_untouched() {
    let rendered = Setup::new(YAML).render();
    let out = rendered.dir.join("envoy");
    let before = contents(&out);
    assert!(before.len() >= 5, "{before:?}");
    fs::write(rendered.dir.join("gateway.yaml"), "listeners: {}\n").expect("a file");
    let output =
        run("render", &rendered.dir.join("gateway.yaml"), &["--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(contents(&out), before);
    // Nor does one whose client keys cannot be read.
    fs::write(rendered.dir.join("gateway.yaml"), YAML).expect("a file");
    fs::remove_file(rendered.dir.join("secrets/acme.key")).expect("a file");
    let output =
        run("render", &rendered.dir.join("gateway.yaml"), &["--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("acme.key"), "{output:?}");
    assert_eq!(contents(&out), before);
}

#[test]
fn what_is_no_yaml_or_not_there_is_said_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("gateway.yaml");
    let output = run("check", &path, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("gateway.yaml"), "{output:?}");
    for content in ["a: [", "a: 1\na: 2\n", "\t", "[]", "null", "just text"] {
        fs::write(&path, content).expect("a file");
        let output = run("check", &path, &[]);
        assert_eq!(output.status.code(), Some(1), "{content}: {output:?}");
        assert!(text(&output.stderr).contains("gateway.yaml"), "{content}: {output:?}");
    }
}

#[test]
fn no_command_shows_a_key() {
    let rendered = Setup::new(YAML).render();
    let path = rendered.dir.join("gateway.yaml");
    let out = rendered.dir.join("again");
    for output in
        [run("check", &path, &[]), run("render", &path, &["--out", out.to_str().unwrap()])]
    {
        assert!(output.status.success(), "{output:?}");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!told.contains("planted"), "{told}");
    }
}

fn run(command: &str, file: &Path, more: &[&str]) -> Output {
    attache(&[command]).arg(file).args(more).output().expect("attache runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a directory, with what is in it.
fn contents(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), fs::read_to_string(&path).expect("text")));
        }
    }
    found.sort();
    found
}
