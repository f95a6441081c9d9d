/**
 * A proxy that speaks TLS, as a program: connect_proxy.ts PORT CERTIFICATE KEY. It takes any host
 * for 127.0.0.1, and writes a line for each request.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { createServer } from "node:tls";

const [port, certificate = "", key = ""] = Deno.args;

createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", (head: Uint8Array) => {
    const [line = ""] = new TextDecoder().decode(head).split("\r\n");
    console.log(line);
    const upstream = connect(Number(/:(\d+) HTTP/.exec(line)?.[1]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on("error", () => socket.destroy());
  });
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
