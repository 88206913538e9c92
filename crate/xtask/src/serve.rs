//! A static file server for the page and its models, with the headers that a published
//! site should send too.

use std::fs::File;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use percent_encoding::percent_decode_str;
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

use crate::workspace::Workspace;

/// Where to listen.
#[derive(Args)]
pub(crate) struct Options {
    /// The port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address to listen on; 0.0.0.0 is reached from other machines too
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
}

/// The page runs its own scripts and WebAssembly and talks to its own host, and to
/// nothing else: the policy is the one that the built page carries in itself, and a
/// Worker takes it from here. The two cross-origin lines isolate the page, which
/// threads in WebAssembly require.
const HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
         connect-src 'self' https:; img-src 'self' blob:; media-src blob:; style-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
];

/// A browser opens up to six connections to a host; a shard of a model may be on each.
const THREADS: usize = 6;

/// Serves until the process is stopped.
pub(crate) fn serve(workspace: &Workspace, options: &Options) -> Result<()> {
    let site = Arc::new(Site {
        page: workspace.root().join("www/dist"),
        models: workspace.models(),
    });
    let address = (options.host.as_str(), options.port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| format!("{} is no address of this machine", options.host))?;
    let (server, address) = listen(address)?;
    println!("The page is at http://{address}/ (stop with Ctrl+C)");
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, site) = (Arc::clone(&server), Arc::clone(&site));
            thread::spawn(move || answer_all(&server, &site))
        })
        .collect();
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a server thread has panicked"))?;
    }
    Ok(())
}

fn listen(address: SocketAddr) -> Result<(Arc<Server>, SocketAddr)> {
    let server = Server::http(address)
        .map_err(|error| anyhow!("cannot listen on {address}: {error}"))
        .context("choose another port with --port")?;
    let address = server.server_addr().to_ip().unwrap_or(address);
    Ok((Arc::new(server), address))
}

fn answer_all(server: &Server, site: &Site) {
    for request in server.incoming_requests() {
        answer(site, request);
    }
}

/// A client that goes away in the middle of an answer is no error of the server's.
fn answer(site: &Site, request: Request) {
    if !matches!(request.method(), Method::Get | Method::Head) {
        let response = Response::from_string("only GET and HEAD").with_status_code(StatusCode(405));
        drop(request.respond(with_headers(response, "text/plain; charset=utf-8")));
        return;
    }
    let found = site
        .file(request.url())
        .and_then(|path| Some((File::open(&path).ok()?, media_type(&path))));
    match found {
        Some((file, media_type)) => {
            // Without chunks, so that the browser is told the length.
            let response = Response::from_file(file).with_chunked_threshold(usize::MAX);
            drop(request.respond(with_headers(response, media_type)));
        }
        None => {
            let response = Response::from_string("not found").with_status_code(StatusCode(404));
            drop(request.respond(with_headers(response, "text/plain; charset=utf-8")));
        }
    }
}

fn with_headers<R: std::io::Read>(response: Response<R>, media_type: &str) -> Response<R> {
    HEADERS
        .iter()
        .copied()
        .chain([("Content-Type", media_type)])
        .filter_map(|(name, value)| Header::from_bytes(name, value).ok())
        .fold(response, Response::with_header)
}

/// The two folders that are served as one site.
struct Site {
    /// At `/`.
    page: PathBuf,
    /// At `/models/`.
    models: PathBuf,
}

impl Site {
    /// The file that a request's target names. Nothing outside the two folders can be
    /// named, nor a hidden file in them.
    fn file(&self, target: &str) -> Option<PathBuf> {
        let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
        let path = percent_decode_str(path).decode_utf8().ok()?;
        let (folder, path) = match path.strip_prefix("models/") {
            Some(path) => (&self.models, path),
            None => (&self.page, path.as_ref()),
        };
        let mut file = folder.clone();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if segment.starts_with('.') || segment.contains(['\\', ':', '\0']) {
                return None;
            }
            file.push(segment);
        }
        if file.is_dir() {
            file.push("index.html");
        }
        // A link may lead out of the folder.
        let file = file.canonicalize().ok()?;
        (file.is_file() && file.starts_with(folder.canonicalize().ok()?)).then_some(file)
    }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("ico") => "image/x-icon",
        Some("jpeg" | "jpg") => "image/jpeg",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("webmanifest") => "application/manifest+json",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::stamp::TestFolder;

    fn site(folder: &Path) -> Site {
        for (path, content) in [
            ("secret", "secret"),
            ("dist/index.html", "<h1>page</h1>"),
            ("dist/a b.wasm", "\0asm"),
            ("dist/.hidden", "hidden"),
            ("models/tiny/model.json", "{}"),
        ] {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Site {
            page: folder.join("dist"),
            models: folder.join("models"),
        }
    }

    #[test]
    fn a_target_names_a_file_of_the_page_or_of_a_model() {
        let folder = TestFolder::new();
        let site = site(folder.path());
        for (target, file) in [
            ("/", "dist/index.html"),
            ("/index.html?shots=2", "dist/index.html"),
            ("/a%20b.wasm", "dist/a b.wasm"),
            ("/models/tiny/model.json", "models/tiny/model.json"),
        ] {
            let expected = folder.path().join(file).canonicalize().unwrap();
            assert_eq!(site.file(target), Some(expected), "{target}");
        }
    }

    #[test]
    fn nothing_else_can_be_named() {
        let folder = TestFolder::new();
        let site = site(folder.path());
        for target in [
            "",
            "/nothing",
            "/models/tiny",
            "/../secret",
            "/models/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/..%5csecret",
            "/.hidden",
            "/index.html%00",
            "/%ff",
            "//etc/passwd",
        ] {
            assert_eq!(site.file(target), None, "{target}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out_of_the_site() {
        let folder = TestFolder::new();
        let site = site(folder.path());
        std::os::unix::fs::symlink("../secret", folder.path().join("dist/link")).unwrap();
        assert_eq!(site.file("/link"), None);
    }

    /// One request to a server over `folder`, answered as the browser would see it.
    fn exchange(folder: &Path, request: &str) -> String {
        let site = site(folder);
        let (server, address) = listen(([127, 0, 0, 1], 0).into()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        answer(&site, server.recv().unwrap());
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    #[test]
    fn an_answer_has_type_length_and_isolation() {
        let folder = TestFolder::new();
        let response = exchange(folder.path(), "GET /a%20b.wasm");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        for line in [
            "Content-Type: application/wasm\r\n",
            "Content-Length: 4\r\n",
            "Cross-Origin-Opener-Policy: same-origin\r\n",
            "Cross-Origin-Embedder-Policy: require-corp\r\n",
            "Content-Security-Policy: default-src 'none'; ",
        ] {
            assert!(response.contains(line), "{line} is not in {response}");
        }
        assert!(response.ends_with("\r\n\r\n\0asm"), "{response}");
    }

    /// The two are intersected by the browser: what only one allows is not allowed.
    #[test]
    fn the_policy_is_the_one_that_the_page_carries() {
        let carried = include_str!("../../../www/build/content-security-policy.ts");
        let carried: Vec<&str> = carried
            .lines()
            .take_while(|line| !line.starts_with(']'))
            .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
            .collect();
        let sent = HEADERS[0].1;
        assert_eq!(
            sent.strip_suffix("; frame-ancestors 'none'"),
            Some(carried.join("; ").as_str()),
        );
    }

    #[test]
    fn what_cannot_be_answered_has_a_status() {
        let folder = TestFolder::new();
        let status = |request| exchange(folder.path(), request)[..12].to_owned();
        assert_eq!(status("GET /nothing"), "HTTP/1.1 404");
        assert_eq!(status("POST /"), "HTTP/1.1 405");
        assert_eq!(status("HEAD /"), "HTTP/1.1 200");
    }
}
