CREATE TABLE subscriptions (user TEXT PRIMARY KEY, plan TEXT NOT NULL);
