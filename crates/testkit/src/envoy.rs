//! A real Envoy with the module inside, started from a `gateway.yaml` as an operator would, and a
//! scripted provider behind it.

use crate::client::{Answer, Client, Protocol, Request};
use crate::launch::{AccessLog, Envoy, Launch, Ready};
use crate::leaks::{LOGS, PLANTED, Traces};
use crate::pod::Pod;
use crate::ports::free_ports;
use crate::programs::{attache, crashing_module, module};
use crate::provider::{Entry, Provider, Settings};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tempfile::TempDir;

/// How the ports are spelled in every `gateway.yaml` of the repository.
const PORTS: [&str; 3] = ["8080", "8081", "9901"];

/// A gateway about to be started.
pub struct Setup {
    yaml: String,
    upstreams: Vec<String>,
    /// Whose key files are not there.
    unplanted: Vec<String>,
    /// The providers whose place the scripted one takes. None: of all.
    scripted: Option<Vec<String>>,
    /// Where Envoy looks names up, if not where the machine does.
    names: Option<SocketAddr>,
    provider: Settings,
    workers: usize,
    module: PathBuf,
    mesh: Option<Mesh>,
    /// Whether the module is a copy beside the other files, which a test may replace.
    owns_module: bool,
    /// What is changed in rendered files: which, what, and into what.
    edits: Vec<(&'static str, &'static str, &'static str)>,
    /// Variables of Envoy's environment.
    variables: Vec<(&'static str, String)>,
}

/// A pod of Istio's.
#[derive(Clone)]
struct Mesh {
    /// What is rendered for it: `istio-gateway` or `istio-sidecar`.
    target: &'static str,
    /// Whether Istio's agent fetches the module.
    fetched: bool,
}

impl Setup {
    /// A gateway with this file, and the scripted provider in the place of every other.
    pub fn new(yaml: &str) -> Self {
        Self {
            yaml: yaml.to_owned(),
            upstreams: Vec::new(),
            unplanted: Vec::new(),
            scripted: None,
            names: None,
            provider: Settings::default(),
            workers: 2,
            module: module(),
            mesh: None,
            owns_module: false,
            edits: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// The same where the scripted provider takes the place of these only. Its port stands where the
    /// file says 7777.
    pub fn scripted(mut self, providers: &[&str]) -> Self {
        self.scripted = Some(providers.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// The same where a provider is at another address: `NAME=HOST:PORT`.
    pub fn upstream(mut self, upstream: impl Into<String>) -> Self {
        self.upstreams.push(upstream.into());
        self
    }

    /// The same without the file `secrets/NAME.key`.
    pub fn without_secret(mut self, name: &str) -> Self {
        self.unplanted.push(name.to_owned());
        self
    }

    /// The same where a server of the test's says what names lead to.
    pub fn names(self, server: SocketAddr) -> Self {
        Self { names: Some(server), ..self }
    }

    /// The same where the provider remembers so many requests.
    pub fn remembering(mut self, requests: usize) -> Self {
        self.provider.journal = requests;
        self
    }

    /// The same with so many worker threads.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// The same with a module that crashes on demand.
    pub fn crashing(self) -> Self {
        Self { module: crashing_module(), ..self }
    }

    /// The same in a pod of Istio's: `istio-gateway` or `istio-sidecar`.
    pub fn in_pod(self, target: &'static str) -> Self {
        Self { mesh: Some(Mesh { target, fetched: false }), ..self }
    }

    /// The same in a pod where Istio's agent fetches the module.
    pub fn in_pod_that_fetches(self, target: &'static str) -> Self {
        Self { mesh: Some(Mesh { target, fetched: true }), ..self }
    }

    /// The same where something stands in a rendered file in the place of something else.
    pub fn edited(mut self, file: &'static str, from: &'static str, to: &'static str) -> Self {
        self.edits.push((file, from, to));
        self
    }

    /// The same where Envoy's environment has a variable.
    pub fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// The same with a copy of the module, `attache.wasm` in the gateway's directory.
    pub fn with_own_module(self) -> Self {
        Self { owns_module: true, ..self }
    }

    /// Starts Envoy, and returns once it answers.
    pub fn start(self) -> Gateway {
        let (workers, names, edits) = (self.workers, self.names, self.edits.clone());
        let variables = self.variables.clone();
        let files = self.render();
        edits.into_iter().for_each(|edit| files.edit(edit));
        if let Some(server) = names {
            files.look_up_at(server);
        }
        let launch = Launch { variables, ..files.launch(workers) };
        let envoy = launch.start().unwrap_or_else(|error| panic!("{error}"));
        let [us, eu, admin] = files.ports;
        Gateway { envoy, files, us, eu, admin }
    }

    /// Writes the file, its secrets, and what the command makes of it.
    pub fn render(self) -> Files {
        let temporary = tempfile::Builder::new().prefix("attache-").tempdir();
        let temporary = temporary.expect("a directory");
        let dir = temporary.path().to_owned();
        let ports = free_ports();
        let mut yaml = self.yaml.clone();
        for (written, port) in PORTS.iter().zip(ports) {
            yaml = yaml.replace(&format!("port: {written}"), &format!("port: {port}"));
        }
        let provider = Provider::with(self.provider).expect("127.0.0.1 has a free port");
        yaml = yaml.replace(":7777/", &format!(":{}/", provider.address().port()));
        fs::write(dir.join("gateway.yaml"), &yaml).expect("a file");
        let secrets = plant_secrets(&dir, &yaml);
        for name in &self.unplanted {
            fs::remove_file(dir.join(format!("secrets/{name}.key"))).expect("a key file");
        }
        let module = match self.owns_module {
            true => {
                let copy = dir.join("attache.wasm");
                fs::copy(&self.module, &copy).expect("a module");
                copy
            }
            false => self.module,
        };
        let mut upstreams = self.upstreams;
        let scripted = self.scripted.unwrap_or_else(|| vec!["*".to_owned()]);
        upstreams.extend(scripted.iter().map(|name| format!("{name}={}", provider.address())));
        let mesh = self.mesh;
        let files =
            Files { dir, ports, secrets, provider, upstreams, module, mesh, _temporary: temporary };
        let output = files.attache_render();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "attache render: {complaint}");
        files
    }
}

/// The files of a gateway, and the provider they lead to.
pub struct Files {
    /// `gateway.yaml`, `secrets/`, and Envoy's configuration in `envoy/`.
    pub dir: PathBuf,
    ports: [u16; 3],
    secrets: BTreeMap<String, String>,
    provider: Provider,
    upstreams: Vec<String>,
    module: PathBuf,
    mesh: Option<Mesh>,
    _temporary: TempDir,
}

impl Files {
    fn attache_render(&self) -> Output {
        let mut render = attache(&["render"]);
        render.arg(self.dir.join("gateway.yaml")).arg("--out");
        match &self.mesh {
            None => render.arg(self.dir.join("envoy")).arg("--module").arg(&self.module),
            Some(mesh) => {
                let module = mesh.fetched.then_some(["--module", "oci://example.com/attache:1"]);
                render.arg(self.dir.join("istio")).args(["--target", mesh.target]);
                render.args(["--workload", "app=attache"]).args(module.into_iter().flatten())
            }
        };
        for upstream in &self.upstreams {
            render.args(["--upstream", upstream]);
        }
        let output = render.output().expect("attache runs");
        if let Some(pod) = self.pod().filter(|_| output.status.success()) {
            pod.write();
        }
        output
    }

    /// The pod it is for, if it is for one.
    pub fn pod(&self) -> Option<Pod<'_>> {
        let target = self.mesh.as_ref()?.target;
        let [_, _, admin] = self.ports;
        Some(Pod { dir: &self.dir, admin, target })
    }

    fn edit(&self, (file, from, to): (&str, &str, &str)) {
        let path = self.dir.join("envoy").join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replace(from, to)).expect("a file");
    }

    fn look_up_at(&self, server: SocketAddr) {
        let (address, port) = (server.ip(), server.port());
        let more = format!(
            r#"
typed_dns_resolver_config:
  name: envoy.network.dns_resolver.cares
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    resolvers: [{{socket_address: {{address: {address}, port_value: {port}}}}}]
"#
        );
        let path = self.dir.join("envoy/envoy.yaml");
        let yaml = fs::read_to_string(&path).expect("a file");
        fs::write(path, yaml + &more).expect("a file");
    }

    fn launch(&self, workers: usize) -> Launch {
        let [us, eu, admin] = self.ports;
        let yaml = fs::read_to_string(self.dir.join("gateway.yaml")).unwrap_or_default();
        let is_listener = |port: &u16| yaml.contains(&format!("port: {port}"));
        Launch {
            config: self.dir.join("envoy/envoy.yaml"),
            logs: self.dir.clone(),
            access_log: AccessLog::File,
            listeners: [us, eu].into_iter().filter(is_listener).collect(),
            ready: Ready::Healthy,
            admin,
            workers,
            variables: Vec::new(),
            arguments: self.pod().iter().flat_map(Pod::arguments).collect(),
            temporary: Some(self.dir.clone()),
        }
    }
}

/// A running gateway. It stops when dropped, or when the process ends however it ends.
pub struct Gateway {
    // Dropped first: Envoy stops before its files and its provider go.
    envoy: Envoy,
    files: Files,
    us: u16,
    eu: u16,
    admin: u16,
}

impl Gateway {
    /// A client of the US listener, with the key of the account `acme`.
    pub fn us(&self) -> Client {
        self.client(self.us)
    }

    /// A client of the EU listener, with the key of the account `acme`.
    pub fn eu(&self) -> Client {
        self.client(self.eu)
    }

    /// What the file `secrets/NAME.key` held when Envoy was started.
    pub fn secret(&self, name: &str) -> &str {
        &self.files.secrets[name]
    }

    /// All of them.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.secrets.iter().map(|(name, key)| (name.as_str(), key.as_str()))
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.files.dir
    }

    /// Where it may leave keys.
    pub fn traces(&self) -> &Traces {
        self.envoy.traces()
    }

    /// Renders the file again, as it is now.
    pub fn render_again(&self) -> Output {
        self.files.attache_render()
    }

    /// The pod it is in.
    pub fn pod(&self) -> Pod<'_> {
        self.files.pod().expect("a pod")
    }

    /// The requests that reached the provider and contain `marker`.
    pub fn reached(&self, marker: &str) -> Vec<Entry> {
        self.files.provider.requests_about(marker)
    }

    /// The one request that reached the provider and contains `marker`.
    pub fn reached_once(&self, marker: &str) -> Entry {
        let mut entries = self.reached(marker);
        assert_eq!(entries.len(), 1, "requests about {marker}");
        entries.remove(0)
    }

    /// Stops Envoy, which then writes what it held back. No key may be in what it leaves behind.
    pub fn stop(&mut self) {
        self.envoy.stop();
    }

    /// What Envoy wrote. Of the access log, what it wrote so far.
    pub fn logs(&self) -> String {
        let read = |name| fs::read(self.files.dir.join(name)).expect("a log");
        let logs = LOGS.map(read).concat();
        String::from_utf8_lossy(&logs).into_owned()
    }

    /// A page of Envoy's administration interface.
    pub fn admin(&self, path: &str) -> String {
        let answer = self.at_admin(Request::get(path));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text().to_owned()
    }

    /// A request to Envoy's administration interface.
    pub fn at_admin(&self, request: Request) -> Answer {
        Client { key: None, ..self.client(self.admin) }.send(request)
    }

    /// The process of Envoy.
    pub fn pid(&self) -> u32 {
        self.envoy.id()
    }

    /// The process of Envoy, with what is known of it.
    pub fn process(&mut self) -> &mut Envoy {
        &mut self.envoy
    }

    /// Ports of the listeners `us` and `eu`, and of the administration interface.
    pub fn ports(&self) -> [u16; 3] {
        self.files.ports
    }

    /// The scripted provider behind it.
    pub fn provider(&self) -> &Provider {
        &self.files.provider
    }

    /// Fails if the module ever broke: a panic, a reload, or a call the host refused.
    pub fn assert_unharmed(&self) {
        let stats = self.admin("/stats?filter=^wasm.*(reload|active)");
        let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse().ok());
        for (name, vms) in [("vm_reload", 0..=0), ("active", 1..=u64::MAX)] {
            let mut found = stats.lines().filter(|line| line.contains(name)).peekable();
            assert!(found.peek().is_some(), "Envoy has no counter `{name}` any more: {stats}");
            let odd = found.find(|line| value(line).is_none_or(|count| !vms.contains(&count)));
            assert_eq!(odd, None, "the module broke:\n{}", self.complaints());
        }
        assert_eq!(self.complaints(), "", "the module complained");
    }

    /// What Envoy and the module logged as going wrong inside the module.
    fn complaints(&self) -> String {
        let logs = self.logs();
        let bad = |line: &&str| {
            line.contains("[critical]")
                || line.contains("panicked")
                || (line.contains("[error]") && line.contains("[wasm]"))
        };
        logs.lines().filter(bad).collect::<Vec<_>>().join("\n")
    }

    fn client(&self, port: u16) -> Client {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let key = self.files.secrets.get("acme").cloned();
        Client { address, key, protocol: Protocol::Http1 }
    }
}

/// A word no other request of this process has: the journal is searched for it.
pub fn marker() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("marker-{}-{}.", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Writes a key of its own into every `secrets/NAME.key` the file names.
fn plant_secrets(dir: &Path, yaml: &str) -> BTreeMap<String, String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    let names: BTreeSet<&str> = yaml
        .split("secrets/")
        .skip(1)
        .filter_map(|rest| rest.split_once(".key").map(|(name, _)| name))
        .collect();
    fs::create_dir_all(dir.join("secrets")).expect("a directory");
    let plant = |name: &str| {
        let key = format!("{PLANTED}{name}-{:x}-{now:x}", std::process::id());
        fs::write(dir.join(format!("secrets/{name}.key")), &key).expect("a file");
        (name.to_owned(), key)
    };
    names.into_iter().map(plant).collect()
}
