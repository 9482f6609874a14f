// A relying party on openid-client 6: discovery, PKCE, state, nonce, code, userinfo, refresh.
// usage: node relying_party.mjs ISSUER CLIENT_ID CLIENT_SECRET PORT
import { createServer } from "node:http";
import * as client from "openid-client";

const [issuer, clientId, clientSecret, port] = process.argv.slice(2);
const origin = `http://127.0.0.1:${port}`;
const redirectUri = `${origin}/callback`;

const configuration = await client.discovery(
  new URL(issuer),
  clientId,
  { id_token_signed_response_alg: process.env.ID_TOKEN_SIGNED_RESPONSE_ALG },
  client.ClientSecretBasic(clientSecret),
  // The signature is checked as well, though the token came over a connection of its own.
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);

const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();

const routes = {
  async "/login"() {
    const challenge = await client.calculatePKCECodeChallenge(verifier);
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: "openid profile email groups offline_access",
      code_challenge: challenge,
      code_challenge_method: "S256",
      state,
      nonce,
    });
    return { status: 302, location: url.href };
  },
  async "/callback"(url) {
    const tokens = await client.authorizationCodeGrant(configuration, url, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    const userinfo = await client.fetchUserInfo(configuration, tokens.access_token, claims.sub);
    const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token);
    return { status: 200, body: { claims, userinfo, refreshed: refreshed.claims() } };
  },
};

createServer(async (request, response) => {
  const url = new URL(request.url, origin);
  try {
    const answer = await routes[url.pathname](url);
    response.writeHead(answer.status, answer.location ? { location: answer.location } : { "content-type": "application/json" });
    response.end(answer.body ? JSON.stringify(answer.body) : "");
  } catch (error) {
    response.writeHead(500, { "content-type": "text/plain" });
    response.end(`${error.stack}\n${JSON.stringify(error.cause ?? null)}`);
  }
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
