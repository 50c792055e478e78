// Makes a page of a printed client: node page.cjs client.tsx > index.html. The page has what the client asks Node for.
const fs = require('node:fs');
const path = require('node:path');
const { transform } = require('sucrase');

const code = transform(fs.readFileSync(process.argv[2], 'utf8'), { transforms: ['typescript', 'jsx', 'imports'] }).code;
const react = fs.readFileSync(path.join(__dirname, 'react.js'), 'utf8');
const { BASE, TOKEN, KEY } = process.env;

process.stdout.write(`<!doctype html><meta charset="utf-8"><title>client</title><script>
const process = ${JSON.stringify({ env: { BASE, TOKEN, KEY } })};
const modules = { eventsource: window.EventSource, ws: window.WebSocket, react: {} };
const require = (name) => modules[name];
((exports) => { ${react} })(modules.react);
((exports) => { ${code} })({});
</script>`);
