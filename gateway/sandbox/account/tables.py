"""The tables of the account API."""

__all__ = ["SCHEMA"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE, name TEXT, username TEXT COLLATE NOCASE UNIQUE,
  email_verified_at INTEGER, image_url TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS account_users (
  id TEXT PRIMARY KEY, user_id TEXT NOT NULL UNIQUE REFERENCES users (id), status TEXT NOT NULL,
  role_id TEXT, department_id TEXT, is_commission_eligible INTEGER NOT NULL, last_used_at INTEGER,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS account_users_newest ON account_users (created_at, id);
CREATE INDEX IF NOT EXISTS account_users_role ON account_users (role_id);
CREATE TABLE IF NOT EXISTS roles (
  id TEXT PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, owner TEXT NOT NULL,
  permissions TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS departments (
  id TEXT PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, notes TEXT, location TEXT NOT NULL,
  stations TEXT NOT NULL, machines TEXT NOT NULL, hourly_rate TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS inner_records (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, record TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
);
"""
