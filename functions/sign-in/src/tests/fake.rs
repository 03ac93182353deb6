//! A provider on this machine that answers as a test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use landslide_domain::{caller::Caller, testing::account};
use landslide_identity::token::signer::{Signer, seconds_from_now};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const CLIENT: &str = "page";

/// What a browser was sent to.
pub struct Asked {
    pub address: String,
    pub query: BTreeMap<String, String>,
}

impl Asked {
    pub fn of(location: &str) -> Self {
        let (address, query) = location.split_once('?').unwrap();
        Self { address: address.to_owned(), query: form(query) }
    }

    pub fn value(&self, name: &str) -> &str {
        self.query.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.query))
    }
}

/// How the token endpoint answers.
#[derive(Clone)]
pub enum Reply {
    /// With this ID token.
    Tokens(String),
    Body(u16, String),
    HangsUp,
    Silence,
}

/// What the token endpoint was sent.
#[derive(Clone)]
pub struct Exchange {
    pub authorization: Option<String>,
    pub form: BTreeMap<String, String>,
}

pub struct FakeProvider {
    address: String,
    signer: Signer,
    state: Arc<Mutex<State>>,
}

struct State {
    metadata: Value,
    jwks: Value,
    reply: Reply,
    exchanges: Vec<Exchange>,
    discoveries: usize,
}

impl FakeProvider {
    pub async fn start(signer: Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({"issuer": address, "jwks_uri": format!("{address}/jwks"),
            "authorization_endpoint": format!("{address}/authorize?tenant=7"), "token_endpoint": format!("{address}/token")});
        let (jwks, reply) = (json!({"keys": [signer.jwk]}), Reply::Silence);
        let state = State { metadata, jwks, reply, exchanges: vec![], discoveries: 0 };
        let state = Arc::new(Mutex::new(state));
        let serving = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { address, signer, state }
    }

    pub fn issuer(&self) -> String {
        self.address.clone()
    }

    pub fn as_issuer(&self) -> Value {
        json!({"issuer": self.address, "audience": "landslide", "client_id": CLIENT,
            "discovery": format!("{}/discovery", self.address)})
    }

    pub fn say(&self, field: &str, value: Value) {
        self.state.lock().unwrap().metadata[field] = value;
    }

    pub fn reply(&self, reply: Reply) {
        self.state.lock().unwrap().reply = reply;
    }

    pub fn exchanges(&self) -> Vec<Exchange> {
        self.state.lock().unwrap().exchanges.clone()
    }

    pub fn discoveries(&self) -> usize {
        self.state.lock().unwrap().discoveries
    }

    /// The ID token of Alice, who signs in as the browser was sent to, with other claims instead.
    pub fn id_token(&self, asked: &Asked, others: &Value) -> String {
        let mut claims = json!({"iss": self.address, "aud": asked.value("client_id"), "sub": "alice",
            "nonce": asked.value("nonce"), "exp": seconds_from_now(600)});
        claims.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.signer.sign(&claims)
    }

    pub fn account(&self) -> Caller {
        Caller { issuer: self.address.clone(), ..account("alice") }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let request = read(&mut stream).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let (status, body) = match path {
        "/discovery" => {
            let mut state = state.lock().unwrap();
            state.discoveries += 1;
            (200, state.metadata.to_string())
        }
        "/jwks" => (200, state.lock().unwrap().jwks.to_string()),
        "/token" => {
            let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned);
            let reply = {
                let mut state = state.lock().unwrap();
                state.exchanges.push(Exchange { authorization, form: form(body) });
                state.reply.clone()
            };
            match reply {
                Reply::Tokens(id_token) => {
                    let tokens = json!({"access_token": "eyJ-access", "token_type": "Bearer", "id_token": id_token});
                    (200, tokens.to_string())
                }
                Reply::Body(status, body) => (status, body),
                Reply::HangsUp => return,
                Reply::Silence => return std::future::pending().await,
            }
        }
        other => panic!("{other}"),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nlocation: /discovery\r\n\r\n",
        body.len()
    );
    // A client may hang up early.
    stream.write_all(&[head.into_bytes(), body.into_bytes()].concat()).await.ok();
}

/// A whole request with its body.
async fn read(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    loop {
        let mut bytes = [0; 4_096];
        let length = stream.read(&mut bytes).await.unwrap();
        request.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
            return request;
        }
    }
}

/// Names and values of a form or query.
fn form(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}
