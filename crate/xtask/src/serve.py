#!/usr/bin/env python3
"""Opens the page in this folder: python3 serve.py

Browsers run no WebAssembly and keep no model for a page that is opened as a file,
so this serves the folder to this machine, and to no other, until Ctrl+C. It needs
Python 3 and nothing else, no network either.
"""

import argparse
import functools
import http.server
import pathlib
import sys
import webbrowser

FOLDER = pathlib.Path(__file__).resolve().parent

# The first two isolate the page, which threads in WebAssembly require.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the headers above; no listings."""

    protocol_version = "HTTP/1.1"
    # What a system believes of these can be wrong.
    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".bin": "application/octet-stream",
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }

    def end_headers(self):
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path):
        self.send_error(http.HTTPStatus.NOT_FOUND)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # A browser that breaks off a download is no error of the server's.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument("--no-browser", action="store_true", help="only serve")
    options = parser.parse_args()
    handler = functools.partial(Handler, directory=FOLDER)
    try:
        server = Server(("127.0.0.1", options.port), handler)
    except OSError as error:
        sys.exit(f"cannot listen on port {options.port} ({error}); choose another with --port")
    address = f"http://127.0.0.1:{server.server_port}/"
    print(f"The page is at {address} (stop with Ctrl+C)", flush=True)
    if not options.no_browser:
        webbrowser.open(address)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
