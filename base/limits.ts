/** Every bound in one place: bodies, queues, parallelism, retries, waits. Units are last in the name. */
export const LIMITS = {
  jsonBodyBytes: 4 * 1024 * 1024,
  headerBytes: 64 * 1024,
  /** Of TLS and of the headers of a request: longer means a client that holds sockets for fun. */
  handshakeMs: 10_000,
  headersMs: 20_000,
  jsonBodyMs: 60_000,
  keepAliveMs: 60_000,
  networkConnections: 4096,
  eventQueueFrames: 4096,
  operationKeepMs: 5_000,
  websocketConnectMs: 5_000,
  websocketPingMs: 10_000,
  commandOutputBytes: 4 * 1024 * 1024,
  commandTimeoutMs: 120_000,
  helperStartMs: 60_000,
  parallelStarts: 8,
  imageEntries: 2_000_000,
  imageMetadataBytes: 1024 * 1024,
  consoleBufferBytes: 128 * 1024,
  logFileBytes: 4 * 1024 * 1024,
  errorHintDistance: 3,
} as const;
