import assert from "node:assert/strict";
import { unreadableResponse } from "./unreadable.ts";

const responseTo = (request: string, code = "HPE_ERROR") => {
  const rawPacket = new TextEncoder().encode(request);
  return unreadableResponse(Object.assign(new Error("Parse Error"), { code, rawPacket }));
};

Deno.test("unreadableResponse() names a method that is none", () => {
  assert.match(
    responseTo("FETCH /1.0 HTTP/1.1\r\n\r\n"),
    /^HTTP\/1\.1 404 [^]*"Method \\"FETCH\\" /,
  );
});

Deno.test("unreadableResponse() calls the rest bad requests, too long or too late ones by name", () => {
  assert.match(
    responseTo("GET /1.0 HTTP/1.1\r\nno colon\r\n\r\n"),
    /^HTTP\/1\.1 400 Bad Request\r\n/,
  );
  assert.match(responseTo("nonsense\r\n"), /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(responseTo("GET / HTTP/1.1\r\n", "HPE_HEADER_OVERFLOW"), /^HTTP\/1\.1 431 /);
  assert.match(responseTo("", "ERR_HTTP_REQUEST_TIMEOUT"), /^HTTP\/1\.1 408 /);
});
