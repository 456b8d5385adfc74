// The article's src/services/storage.service.ts, its top-level operations made functions.

export interface Env {
  ASSETS: R2Bucket;
}

// -------- UPLOAD --------

// A plain text.
export function putReadme(env: Env, key = 'documents/readme.txt') {
  return env.ASSETS.put(key, 'Contenuto del file', {
    httpMetadata: { contentType: 'text/plain; charset=utf-8' },
    customMetadata: { uploadedBy: 'user-123', version: '1' },
  });
}

// JSON.
export function putUsersJson(env: Env, key = 'data/users.json') {
  const data = { users: [{ id: 1, name: 'Mario' }] };
  return env.ASSETS.put(key, JSON.stringify(data), {
    httpMetadata: { contentType: 'application/json' },
  });
}

// A binary file from a request (multipart form).
export async function handleFileUpload(request: Request, env: Env): Promise<Response> {
  const formData = await request.formData();
  const file = formData.get('file');

  if (!(file instanceof File)) {
    return new Response('No file provided', { status: 400 });
  }

  // A name of its own, against collisions. The article has only the time: two uploads in one millisecond would collide.
  const key = `uploads/${Date.now()}-${crypto.randomUUID().slice(0, 8)}-${file.name}`;

  await env.ASSETS.put(key, file.stream(), {
    httpMetadata: {
      // The article sets `contentLength` too: R2 has no such field, it knows the size itself.
      contentType: file.type,
    },
    customMetadata: {
      originalName: file.name,
      uploadedAt: new Date().toISOString(),
    },
  });

  return Response.json({ key, size: file.size, type: file.type });
}

// -------- DOWNLOAD --------

export async function serveAsset(key: string, env: Env): Promise<Response> {
  const object = await env.ASSETS.get(key);

  if (!object) {
    return new Response('Not Found', { status: 404 });
  }

  // Its HTTP metadata.
  const headers = new Headers();
  object.writeHttpMetadata(headers);
  headers.set('etag', object.httpEtag);

  // Headers for caches.
  headers.set('Cache-Control', 'public, max-age=31536000, immutable');

  return new Response(object.body, { headers });
}

// -------- LISTING --------

export async function listUploads(prefix: string, env: Env) {
  const listed = await env.ASSETS.list({
    prefix: `uploads/${prefix}`,
    limit: 100,
    // The article leaves `include` out, and would read an empty customMetadata.
    include: ['customMetadata'],
    // cursor: paginationCursor  // for the next page
  });

  return listed.objects.map(obj => ({
    key: obj.key,
    size: obj.size,
    uploaded: obj.uploaded.toISOString(),
    etag: obj.etag,
    customMetadata: obj.customMetadata,
  }));
}

// -------- DELETE --------

export async function deleteOne(env: Env, key = 'uploads/old-file.txt') {
  await env.ASSETS.delete(key);
}

// Up to 1000 keys at once.
export async function deleteMany(env: Env, keys = ['file1.txt', 'file2.txt', 'file3.txt']) {
  await env.ASSETS.delete(keys);
}

// -------- HEAD: whether it exists, without the download --------

export async function headDocument(env: Env, key = 'uploads/documento.pdf') {
  const headResult = await env.ASSETS.head(key);
  if (headResult) {
    console.log('Size:', headResult.size);
    console.log('Uploaded:', headResult.uploaded);
  }
  return headResult;
}
