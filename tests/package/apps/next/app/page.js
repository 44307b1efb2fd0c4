import { Siskin } from 'siskin';
import { Client } from './client.js';

// A server component may import the package, and is told that it cannot load a model.
export default async function Page() {
  const code = await Siskin.load('/model.gguf').catch((error) => error.code);
  return (
    <main>
      <p id="server">{code}</p>
      <Client />
    </main>
  );
}
