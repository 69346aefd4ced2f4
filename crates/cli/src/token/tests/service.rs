//! A token service of the tests: it answers requests in order, and keeps them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A request that the service has received.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// The method and the path.
    pub(super) line: String,
    /// The head, in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Received {
    /// Returns a field of a form.
    pub(super) fn field(&self, name: &str) -> String {
        let mut fields = self.body.split('&').filter_map(|field| field.split_once('='));
        let (_, value) = fields.find(|(own, _)| *own == name).unwrap();
        value.replace("%3A", ":").replace("%2F", "/")
    }
}

/// A running token service.
pub(super) struct TokenService {
    pub(super) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl TokenService {
    /// Starts a service with these answers: a status and a body for each request.
    pub(super) fn start(answers: &[(u16, &str)]) -> Self {
        Self::serve("http://127.0.0.1", answers, |stream| Box::new(stream))
    }

    /// Starts a service with TLS, for the host `localhost`.
    pub(super) fn start_with_tls(answers: &[(u16, &str)]) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(include_bytes!("../../../tests/token/server.pem"));
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/token/server.key"));
        let provider = Arc::new(rustls_graviola::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.unwrap()], key.unwrap());
        let config = Arc::new(config.unwrap());
        Self::serve("https://localhost", answers, move |stream| {
            let connection = ServerConnection::new(config.clone()).unwrap();
            Box::new(StreamOwned::new(connection, stream))
        })
    }

    fn serve(
        origin: &str,
        answers: &[(u16, &str)],
        wrap: impl Fn(std::net::TcpStream) -> Box<dyn Stream> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{origin}:{}", listener.local_addr().unwrap().port());
        let answers: Vec<_> =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        thread::spawn(move || {
            for (status, body) in answers {
                let mut stream = BufReader::new(wrap(listener.accept().unwrap().0));
                // A client that does not trust the certificate sends no request.
                let Some(request) = read(&mut stream) else { continue };
                kept.lock().unwrap().push(request);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Fine\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                stream.get_mut().flush().unwrap();
            }
        });
        Self { url, received }
    }

    /// Returns the requests so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

/// A connection, with or without TLS.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

fn read(stream: &mut BufReader<Box<dyn Stream>>) -> Option<Received> {
    let (mut line, mut head) = (String::new(), String::new());
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    while !head.ends_with("\r\n\r\n") && head != "\r\n" {
        stream.read_line(&mut head).ok().filter(|length| *length > 0)?;
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Received { line, head, body: String::from_utf8(body).unwrap() })
}
