// A receiver in Node, written from docs/partner-guide.md alone; `signatures.mjs` beside it is that page's code.
// node receiver.mjs SENDER_PUBLIC.pem RECEIVER_PRIVATE.pem SERVER_CERTIFICATE.pem SERVER_KEY.pem
import fs from "node:fs";
import https from "node:https";
import { sign, verify } from "./signatures.mjs";

const [senderKey, receiverKey, cert, key] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const taken = new Map();

function result(status, code, message) {
  return { result: { resultCode: code, resultStatus: status, resultMessage: message } };
}

function judge(request, body) {
  if (request.method !== "POST") return result("F", "METHOD_NOT_SUPPORTED", "POST only");
  const { "client-id": clientId, "request-time": time, signature } = request.headers;
  if (!verify(senderKey, request.url, clientId, time, body, signature)) {
    return result("F", "INVALID_SIGNATURE", "the signature is wrong");
  }
  const notification = JSON.parse(body.toString("utf8"));
  const outcome = notification.paymentResult ?? notification.result;
  const orderId = notification.paymentRequestId ?? notification.paymentId;
  if (!taken.has(orderId)) taken.set(orderId, outcome.resultStatus);
  return result("S", "SUCCESS", "success");
}

const server = https.createServer({ cert, key }, (request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    let answer;
    try {
      answer = judge(request, Buffer.concat(pieces));
    } catch {
      answer = result("U", "UNKNOWN_EXCEPTION", "try again");
    }
    const body = Buffer.from(JSON.stringify(answer));
    const clientId = request.headers["client-id"] ?? "";
    const time = new Date().toISOString().replace(/\.\d+Z$/, "+00:00");
    response.writeHead(200, {
      "Content-Type": "application/json; charset=UTF-8",
      "Client-Id": clientId,
      "Response-Time": time,
      Signature: sign(receiverKey, request.url, clientId, time, body),
      "Content-Length": body.length,
    });
    response.end(body);
  });
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
