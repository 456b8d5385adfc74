import { groups } from './samples';

const STYLE = `
  :root {
    color-scheme: light dark;
    --ink: light-dark(#1b1b1f, #e6e6ea); --soft: light-dark(#62626b, #a0a0aa);
    --paper: light-dark(#fafaf8, #16161a); --card: light-dark(#fff, #1f1f25);
    --line: light-dark(#e3e3df, #33333b); --link: light-dark(#1d5fbf, #8ab8ff);
  }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
  main { max-width: 64rem; margin: 0 auto; padding: 3rem 1.25rem 5rem; }
  h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em; }
  h2 { margin: 2.5rem 0 .75rem; font-size: 1.1rem; }
  p { max-width: 44rem; color: var(--soft); margin: .5rem 0; }
  a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
  ul { list-style: none; margin: 0; padding: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
  li { display: grid; grid-template-columns: 15rem 1fr; gap: .25rem 1rem; padding: .6rem 1rem; }
  li + li { border-top: 1px solid var(--line); }
  li span { color: var(--soft); }
  code, pre { font: 14px/1.5 ui-monospace, monospace; }
  form { display: flex; gap: .75rem; flex-wrap: wrap; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
  @media (max-width: 40rem) { li { grid-template-columns: 1fr; } }
`;

function html(title: string, body: string): Response {
  const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
<main>${body}</main>
</html>
`;
  return new Response(page, { headers: { 'Content-Type': 'text/html; charset=utf-8' } });
}

const item = (href: string, name: string, shows: string) => `<li><a href="${href}">${name}</a><span>${shows}</span></li>`;
const section = (title: string, items: string[]) => `<h2>${title}</h2><ul>${items.join('')}</ul>`;

const HTTP = [
  item('/users', 'GET /users', 'pages of users: <code>?page=1&amp;pageSize=10</code>, or <code>?role=admin</code>'),
  item('/users/1', 'GET /users/:id', 'one user, through the KV cache'),
  item('/users', 'POST /users', '<code>{"email", "name"}</code>; with <code>"session": true</code> a batch makes both rows'),
  item('/users/1', 'PATCH /users/:id', '<code>{"name"?, "role"?}</code>: updates the row, invalidates the cache'),
  item('/drizzle/users/1', 'GET /drizzle/users/:id', 'the same user through Drizzle; also <code>POST /drizzle/users</code>'),
  item('/drizzle/admins', 'GET /drizzle/admins', 'the admins through Drizzle'),
  item('/upload', 'GET /upload', 'a form for a file, into R2'),
  item('/uploads', 'GET /uploads', 'what was uploaded: <code>?prefix=</code>'),
  item('/files/documents/readme.txt', 'GET /files/:key', 'a file with conditions, ranges and access control; DELETE removes it (run r2-put-text first)'),
  item('/assets/documents/readme.txt', 'GET /assets/:key', 'a file for caches that keep it for a year (run r2-put-text first)'),
  item('/module/kv', 'GET /module/kv', 'the module on KV'),
  item('/module/d1', 'GET /module/d1', 'the module on D1'),
  item('/module/chat-room', 'GET /module/chat-room', 'the module on Durable Objects; POST <code>{"author", "text"}</code> says something'),
  item('/module/bucket/image.png', 'GET /module/bucket/:key', 'the module on R2; PUT uploads (run module-r2 first)'),
];

export function index(): Response {
  return html('Primitives', `
    <h1>Primitives</h1>
    <p>Every code sample of three documents on Workers KV, D1, R2 and Durable Objects, as one running Worker.
       A sample's link runs it and shows what came back. <a href="/check">/check</a> runs them all.</p>
    ${groups.map(({ title, samples }) => section(title, samples.map(({ name, shows }) => item(`/samples/${name}`, name, shows)))).join('')}
    ${section('Over HTTP', HTTP)}`);
}

export function uploadForm(): Response {
  return html('Upload', `
    <h1>Upload</h1>
    <p>The file goes into the bucket <code>my-assets</code>, under <code>uploads/</code>. <a href="/uploads">What is there</a>.</p>
    <form method="post" enctype="multipart/form-data"><input type="file" name="file" required><button>Upload</button></form>`);
}
