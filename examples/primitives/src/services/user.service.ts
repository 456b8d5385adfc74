// src/services/user.service.ts

export interface Env {
  DB: D1Database;
}

export interface User {
  id: number;
  email: string;
  name: string;
  role: string;
  created_at: string;
}

// -------- SELECT --------

// A prepared statement (ALWAYS use prepared statements: they prevent SQL injection).
export async function getUserById(id: number, env: Env): Promise<User | null> {
  const result = await env.DB
    .prepare('SELECT * FROM users WHERE id = ?')
    .bind(id)
    .first<User>();
  return result;
}

// Several rows.
export async function getUsersByRole(role: string, env: Env): Promise<User[]> {
  const { results } = await env.DB
    .prepare('SELECT id, email, name, role, created_at FROM users WHERE role = ? ORDER BY created_at DESC')
    .bind(role)
    .all<User>();
  return results;
}

// Pagination. The article has no ORDER BY: without one, SQL promises no order and pages may overlap.
export async function getUsers(page: number, pageSize: number, env: Env) {
  const offset = (page - 1) * pageSize;

  const [{ results }, { total }] = await Promise.all([
    env.DB
      .prepare('SELECT * FROM users ORDER BY id LIMIT ? OFFSET ?')
      .bind(pageSize, offset)
      .all<User>(),
    env.DB
      .prepare('SELECT COUNT(*) as total FROM users')
      .first<{ total: number }>()
      .then(r => r ?? { total: 0 }),
  ]);

  return {
    users: results,
    pagination: { page, pageSize, total, totalPages: Math.ceil(total / pageSize) },
  };
}

// -------- INSERT --------

export async function createUser(email: string, name: string, env: Env): Promise<User> {
  const result = await env.DB
    .prepare('INSERT INTO users (email, name) VALUES (?, ?) RETURNING *')
    .bind(email, name)
    .first<User>();

  if (!result) {
    throw new Error('Failed to create user');
  }

  return result;
}

// -------- UPDATE --------

export async function updateUser(id: number, updates: Partial<Pick<User, 'name' | 'role'>>, env: Env) {
  const setClauses: string[] = [];
  const values: (string | number)[] = [];

  if (updates.name !== undefined) {
    setClauses.push('name = ?');
    values.push(updates.name);
  }
  if (updates.role !== undefined) {
    setClauses.push('role = ?');
    values.push(updates.role);
  }

  if (setClauses.length === 0) return;

  setClauses.push('updated_at = CURRENT_TIMESTAMP');
  values.push(id);

  await env.DB
    .prepare(`UPDATE users SET ${setClauses.join(', ')} WHERE id = ?`)
    .bind(...values)
    .run();
}

// -------- TRANSACTIONS (batch) --------

export async function createUserWithSession(
  email: string,
  name: string,
  sessionId: string,
  expiresAt: Date,
  env: Env,
): Promise<User> {
  // A batch is one round trip and one transaction: both rows, or neither.
  const [userResult] = await env.DB.batch<User>([
    env.DB
      .prepare('INSERT INTO users (email, name) VALUES (?, ?) RETURNING *')
      .bind(email, name),
    env.DB
      .prepare('INSERT INTO sessions (id, user_id, expires_at) VALUES (?, last_insert_rowid(), ?)')
      .bind(sessionId, expiresAt.toISOString()),
  ]);

  const user = userResult.results[0];
  return user;
}

// -------- DELETE --------

// Not in the article, but its schema promises it: a user's sessions go with the user (ON DELETE CASCADE).
export async function deleteUser(id: number, env: Env): Promise<boolean> {
  const { meta } = await env.DB.prepare('DELETE FROM users WHERE id = ?').bind(id).run();
  return meta.changes > 0;
}

export async function getSessionIds(userId: number, env: Env): Promise<string[]> {
  const rows = await env.DB.prepare('SELECT id FROM sessions WHERE user_id = ? ORDER BY id').bind(userId).raw<[string]>();
  return rows.map(([id]) => id);
}
