// Prints how many bytes a file has, and has on the wire.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const path = process.argv[1];
const bytes = readFileSync(path);
// Quality 9: the last two levels take minutes on a file of this size.
const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
const megabytes = (part) => `${(part.length / 1e6).toFixed(2)} MB`;
console.log(
  `${path}: ${megabytes(bytes)}, gzip ${megabytes(gzipSync(bytes))}, brotli ${megabytes(brotli)}`,
);
