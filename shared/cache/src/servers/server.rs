//! Servers as processes of their own, each on a free port, with nothing on disk but certificates.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Of every server here.
pub const PASSWORD: &str = "of-a-test";
/// How often a server that starts is looked for, every 20 ms.
const LOOKS_MAX: usize = 500;

/// A server; ends when dropped.
pub struct Server {
    pub port: u16,
    child: Child,
}

impl Server {
    /// A Valkey on a free port.
    pub fn valkey() -> Self {
        Self::valkey_at(free_port())
    }

    /// A Valkey on this port.
    pub fn valkey_at(port: u16) -> Self {
        Self::start("VALKEY_SERVER", port, &["--port", &port.to_string()])
    }

    /// A Redis that speaks TLS alone.
    pub fn redis_with_tls(certificates: &Certificates) -> Self {
        let port = free_port();
        let [certificate, key, root] = ["server.pem", "server.key", "root.pem"].map(|name| certificates.path(name));
        let arguments = ["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"];
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &root];
        Self::start("REDIS_SERVER", port, &[arguments, files].concat())
    }

    fn start(variable: &str, port: u16, arguments: &[&str]) -> Self {
        let program =
            std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `make test-cache`"));
        let child = Command::new(&program)
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--requirepass", PASSWORD])
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Self { port, child };
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{program} does not listen on port {port}");
    }

    async fn call(&self, call: redis::Cmd) -> redis::Value {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        call.query_async(&mut connection).await.unwrap()
    }

    /// Its keys.
    pub async fn keys(&self) -> Vec<String> {
        let mut call = redis::cmd("KEYS");
        call.arg("*");
        redis::from_redis_value(self.call(call).await).unwrap()
    }

    /// Sets a key, for some milliseconds or without an end.
    pub async fn set(&self, key: &str, value: &str, life_ms: Option<u64>) {
        let mut call = redis::cmd("SET");
        call.arg(key).arg(value);
        if let Some(life_ms) = life_ms {
            call.arg("PX").arg(life_ms);
        }
        self.call(call).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A root, and the certificate of `localhost` that it has signed; made by openssl, gone when dropped.
pub struct Certificates(PathBuf);

impl Certificates {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("landslide-cache-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
        let made = Self(folder);
        let key = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        made.openssl(&format!("{key} -x509 -days 2 -subj /CN=root -keyout root.key -out root.pem"));
        made.openssl(&format!("{key} -subj /CN=localhost -keyout server.key -out server.csr"));
        made.openssl(
            "x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile names -out server.pem",
        );
        made
    }

    fn openssl(&self, arguments: &str) {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.0).output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The root, as PEM.
    pub fn root(&self) -> Vec<u8> {
        std::fs::read(self.0.join("root.pem")).unwrap()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
