-- migrations/0002_add_first_users.sql: somebody to look at.
INSERT OR IGNORE INTO users (email, name, role) VALUES
  ('mario@example.com', 'Mario', 'admin'),
  ('luigi@example.com', 'Luigi', 'user'),
  ('peach@example.com', 'Peach', 'moderator');
