/** Hostile cases of connections, headers, statuses and lists. */
import { MEDIA } from "../../src/oci/media-types.ts";
import { document, type HostileCase, listTags, manifest, REPOSITORY, send } from "./registry-answers.ts";

export const AVAILABILITY: readonly HostileCase[] = [
  { name: "429 for ever", code: "oci/rate-limited", requests: 3, answer: send(429) },
  {
    name: "429 that asks for a year",
    code: "oci/rate-limited",
    requests: 3,
    answer: send(429, { "retry-after": "31536000" }),
  },
  { name: "503 for ever", code: "oci/unavailable", requests: 3, answer: send(503, { "retry-after": "-1" }) },
  { name: "a status that does not exist", code: "oci/unexpected-answer", answer: send(299) },
  {
    name: "headers that never end",
    code: "net/timeout",
    raw: (socket) => {
      socket.write("HTTP/1.1 200 OK\r\n");
    },
  },
  {
    name: "headers that are huge",
    code: "net/malformed",
    raw: (socket) => {
      const write = (): void => {
        while (!socket.destroyed && socket.write(`x-filler: ${"a".repeat(8_000)}\r\n`));
      };
      socket.write("HTTP/1.1 200 OK\r\n");
      socket.on("drain", write);
      write();
    },
  },
  {
    name: "something that is not HTTP",
    code: "net/malformed",
    raw: (socket) => void socket.end("220 mail.test ESMTP\r\n"),
  },
  {
    name: "two lengths in one answer",
    code: "net/malformed",
    raw: (socket) => void socket.end("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
  },
  {
    name: "an upgrade that nobody asked for",
    code: "net/malformed",
    raw: (socket) => void socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
  },
  { name: "a connection that is dropped", code: "net/reset", raw: (socket) => void socket.destroy() },
  {
    name: "TLS that ends in the middle of a body",
    code: "net/tls-truncated",
    tls: true,
    raw: (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-type: ${MEDIA.manifest}\r\ncontent-length: 1000\r\n\r\n{`);
      setTimeout(() => socket.destroy(), 20);
    },
  },
  { name: "a certificate of a stranger", code: "net/tls", tls: true, stranger: true, answer: manifest(document()) },
];

export const TAGS: readonly HostileCase[] = [
  {
    name: "pages of tags without end",
    code: "oci/too-large",
    act: listTags,
    requests: 100,
    withinMs: 10_000,
    answer: (r, s, n) =>
      send(200, { link: `</v2/${REPOSITORY}/tags/list?last=${n}>; rel="next"` }, `{"name":"x","tags":["t${n}"]}`)(
        r,
        s,
        n,
      ),
  },
  {
    name: "a next page at another place",
    code: "oci/unexpected-answer",
    act: listTags,
    requests: 1,
    answer: send(200, { link: '<https://elsewhere.test/>; rel="next"' }, '{"tags":[]}'),
  },
  {
    name: "a next page that is the same page",
    code: "oci/unexpected-answer",
    act: listTags,
    answer: (r, s, n) => send(200, { link: `<${r.url}>; rel="next"` }, '{"tags":[]}')(r, s, n),
  },
  {
    name: "tags that are no tags",
    code: "oci/unexpected-answer",
    act: listTags,
    answer: send(200, {}, '{"tags":["../../etc"]}'),
  },
];
