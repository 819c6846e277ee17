// Runs a Node.js handler: calls come on descriptor 3, answers leave on 4. A call
// is a line of JSON, {"context": …, "length": n}, and n bytes of event. An answer
// is a line of JSON, {"id": …, "kind": "answer", "error" or "fatal", "length": n},
// and n bytes; after "fatal" the process ends. What the handler prints is its log
// and no part of the answer.
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const querystring = require('node:querystring');
const { pathToFileURL } = require('node:url');
const { types, format } = require('node:util');

const [file, name] = process.argv.splice(1, 3).slice(1);
process.argv.splice(1, 0, file);

let handler;
let current; // id of the call under way

function answer(id, kind, body) {
  const head = Buffer.from(JSON.stringify({ id, kind, length: body.length }) + '\n');
  const all = Buffer.concat([head, body]);
  for (let done = 0; done < all.length;) {
    try {
      done += fs.writeSync(4, all, done);
    } catch (e) {
      if (e.code !== 'EAGAIN') process.exit(1);
    }
  }
}

function describe(e) {
  console.error(e);
  const known = e instanceof Error || types.isNativeError(e);
  const stack = known && typeof e.stack === 'string' ? e.stack.split('\n').slice(1) : [];
  return Buffer.from(JSON.stringify({
    errorMessage: known ? String(e.message) : format(e),
    errorType: known ? String(e.name) : typeof e,
    stackTrace: stack.map((l) => l.trim()).filter((l) => l.startsWith('at ') && !l.includes(__filename)),
  }));
}

function decode(event) {
  const text = event.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(event)) return event;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function encode(result) {
  if (typeof result === 'string') return Buffer.from(result);
  if (result instanceof Uint8Array) return Buffer.from(result);
  return Buffer.from(JSON.stringify(result === undefined ? null : result));
}

// payload is the body of an HTTP call, as its Content-Type says.
function payload(event) {
  if (event === null || typeof event !== 'object' || typeof event.body !== 'string') return undefined;
  const body = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString('utf8') : event.body;
  const found = Object.entries(event.headers || {}).find(([k]) => k.toLowerCase() === 'content-type');
  const type = String(found ? found[1] : '').split(';')[0].trim().toLowerCase();
  if (type === 'application/json') return JSON.parse(body);
  if (type === 'application/x-www-form-urlencoded') return querystring.parse(body);
  return body;
}

function contextOf(told, event) {
  const context = {
    awsRequestId: told.request_id,
    requestId: told.request_id,
    invokedFunctionArn: told.function_name,
    functionFolderId: told.function_folder_id,
    functionName: told.function_name,
    functionVersion: told.function_version,
    memoryLimitInMB: String(told.memory_limit_in_mb),
    deadlineMs: told.deadline_ms,
    logGroupName: told.log_group_name,
    logStreamName: told.log_stream_name,
    streamName: told.log_stream_name,
    getRemainingTimeInMillis: () => Math.max(0, told.deadline_ms - Date.now()),
    getPayload: () => payload(event),
  };
  if (told.token) context.token = told.token;
  return context;
}

async function load() {
  const module = await import(pathToFileURL(path.resolve(file)).href);
  const found = module[name] ?? module.default?.[name];
  if (typeof found !== 'function') throw new TypeError(`${path.basename(file)} exports no function ${JSON.stringify(name)}`);
  return found;
}

async function run(told, bytes) {
  if (!handler) handler = await load();
  const event = decode(bytes);
  let result = handler(event, contextOf(told, event));
  if (result === undefined) {
    throw new Error('Non-async entry point should provide a result. Return a value or use async function instead');
  }
  return encode(await result);
}

async function serve(call, event) {
  const id = call.context.request_id;
  current = id;
  let kind = 'answer';
  let body;
  try {
    body = await run(call.context, event);
  } catch (e) {
    [kind, body] = [handler ? 'error' : 'fatal', describe(e)];
  }
  if (current !== id) return; // what nobody caught has been its end already
  current = undefined;
  answer(id, kind, body);
  if (!handler) process.exit(1);
}

// An error that nobody caught ends the instance, and the call under way with it.
function fatal(e) {
  const id = current;
  current = undefined;
  const body = describe(e);
  if (id) answer(id, 'fatal', body);
  process.exit(1);
}
process.on('uncaughtException', fatal);
process.on('unhandledRejection', fatal);

const calls = new net.Socket({ fd: 3, readable: true, writable: false });
let call; // whose event is being read
let parts = [];
let held = 0;
calls.on('data', (chunk) => {
  parts.push(chunk);
  held += chunk.length;
  if (!call) {
    const all = Buffer.concat(parts);
    const line = all.indexOf(10);
    parts = [all];
    if (line < 0) return;
    call = JSON.parse(all.subarray(0, line).toString('utf8'));
    parts = [all.subarray(line + 1)];
    held = all.length - line - 1;
  }
  if (held < call.length) return; // one call at a time: nothing follows before its answer
  const [told, event] = [call, Buffer.concat(parts)];
  [call, parts, held] = [undefined, [], 0];
  serve(told, event);
});
calls.on('end', () => process.exit(0));
calls.on('error', () => process.exit(1));
