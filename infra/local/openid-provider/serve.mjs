// An OpenID Provider for the tests and for trying: oidc-provider, with one client and a sign-in page that lets everyone in
// under any name. The client's redirect addresses may follow.
//
//     node serve.mjs PORT ALGORITHM [REDIRECT_URI …]
//
// It signs with a new key each time it starts, and forgets its old one: a restart is a rotation.
import { generateKeyPairSync, randomUUID } from 'node:crypto';

import { Provider } from 'oidc-provider';

const [port, algorithm, ...redirectUris] = process.argv.slice(2);
const makeKeyPair = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
}[algorithm];
const key = { ...makeKeyPair().privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: algorithm, use: 'sig' };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [key] },
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  clients: [
    {
      client_id: 'landslide',
      redirect_uris: ['https://client.example.org/signed-in', ...redirectUris],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: algorithm,
    },
  ],
  pkce: { required: () => false },
  // Nobody is asked whether the client may know who they are.
  loadExistingGrant: async (context) => {
    const { client, session } = context.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});
provider.listen(Number(port), '127.0.0.1');
