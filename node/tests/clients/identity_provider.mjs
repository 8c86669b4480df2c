// A real identity provider for the tests: npm's oidc-provider, over TLS, with the people below.
//
//   node identity_provider.mjs <folder with node_modules> <port> <certificate> <key> <folder for its files>
//
// It prints "ready" once it answers. Its people log in by typing their name: there is no password to protect.
import { createServer } from 'node:https';
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, port, certificate, key, folder] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(join(modules, 'node_modules/oidc-provider/lib/index.js')));

const issuer = `https://localhost:${port}`;
const AUDIENCE = 'keyraft';

// Whoever is asked for by name: roles and tenants as they stand in tokens.
const PEOPLE = {
  operator: { roles: ['platform_operator'], tenant: ['*'] },
  'tenant-admin': { roles: ['tenant_administrator'], tenant: ['tenant-a'] },
  'key-admin': { roles: ['key_administrator'], tenant: ['tenant-a'] },
  'key-admin-2': { roles: ['key_administrator'], tenant: ['tenant-a'] },
  auditor: { roles: ['auditor'], tenant: ['tenant-a'] },
  'chief-auditor': { roles: ['auditor'], tenant: ['*'] },
  stranger: { roles: ['key_administrator', 'tenant_administrator'], tenant: ['tenant-b'] },
  nobody: { roles: ['reader'], tenant: ['tenant-a'] },
};

// By way of PEM: Node 20 may lock up where it exports a key while its collector buries the job that made it.
const fresh = (type, options) => {
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' };
  const { privateKey } = generateKeyPairSync(type, { ...options, privateKeyEncoding });
  return createPrivateKey(privateKey).export({ format: 'jwk' });
};
const es256 = fresh('ec', { namedCurve: 'P-256' });
const rs256 = fresh('rsa', { modulusLength: 2048 });
const jwks = { keys: [
  { ...es256, kid: 'es', use: 'sig', alg: 'ES256' },
  { ...rs256, kid: 'rs', use: 'sig', alg: 'RS256' },
] };
// What a forger could have: the public keys as the provider publishes them, and a key of its own.
writeFileSync(join(folder, 'jwks.json'), JSON.stringify(jwks));

const machine = (name, alg = 'ES256', aud = AUDIENCE) => ({
  client_id: name,
  client_secret: `${name}-secret-of-the-tests`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  'urn:keyraft:alg': alg,
  'urn:keyraft:aud': aud,
});

const provider = new Provider(issuer, {
  jwks,
  clients: [
    ...Object.keys(PEOPLE).map((name) => machine(name)),
    ...['operator', 'tenant-admin', 'key-admin', 'key-admin-2'].map((name) => machine(`${name}-strong`)),
    machine('operator-rsa', 'RS256'),
    machine('operator-elsewhere', 'ES256', 'another-service'),
    {
      client_id: 'keyraft-ui',
      client_secret: 'keyraft-ui-secret-of-the-tests',
      grant_types: ['authorization_code'],
      redirect_uris: (process.env.REDIRECT_URIS ?? `${issuer}/nowhere`).split(','),
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  extraClientMetadata: { properties: ['urn:keyraft:alg', 'urn:keyraft:aud'] },
  claims: { openid: ['sub', 'acr', 'amr', 'auth_time', 'roles', 'tenant'] },
  conformIdTokenClaims: false,
  acrValues: ['urn:keyraft:one', 'urn:keyraft:two'],
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:keyraft',
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: '',
        audience: client['urn:keyraft:aud'] ?? AUDIENCE,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: client['urn:keyraft:alg'] ?? 'ES256' } },
      }),
    },
  },
  // A machine has no second factor; one whose name ends so is taken for a person who has just shown one.
  extraTokenClaims: (ctx, token) => {
    const name = (token.accountId ?? token.clientId).replace(/-(rsa|elsewhere)$/, '');
    const person = PEOPLE[name.replace(/-strong$/, '')];
    const strong = { acr: 'urn:keyraft:two', amr: ['pwd', 'otp'], auth_time: Math.floor(Date.now() / 1000) };
    return name.endsWith('-strong') ? { ...person, ...strong } : person;
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
  interactions: { url: (ctx, interaction) => `/login/${interaction.uid}` },
  cookies: { keys: [createHash('sha256').update(JSON.stringify(jwks)).digest('hex')] },
});

// The login page of people who are known by their name: `login_hint` says it.
const callback = provider.callback();
createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, async (request, response) => {
  if (!request.url.startsWith('/login/')) return callback(request, response);
  const { params, prompt } = await provider.interactionDetails(request, response);
  const second = (params.acr_values ?? '').split(' ').includes('urn:keyraft:two');
  const grant = new provider.Grant({ accountId: params.login_hint, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const result = {
    login: {
      accountId: params.login_hint,
      acr: second ? 'urn:keyraft:two' : 'urn:keyraft:one',
      amr: second ? ['pwd', 'otp'] : ['pwd'],
    },
    consent: { grantId: await grant.save() },
  };
  void prompt;
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
