-- The demo application's tables, one database per cell. Which class each table belongs to is declared in the
-- topology file (`data.mysql`); the comment on each table repeats it for whoever reads the schema first.
--
-- Rules that make a schema safe to run in several cells at once:
--   * No AUTO_INCREMENT: ids are minted by the application and carry bucket and cell, so two cells never make the same one.
--   * The routing key is a column of every sharded row, compared byte by byte (utf8mb4_bin), as the gateway compares it.
--   * No foreign keys between tables: a cascade changes rows behind the back of a fence.
--   * Every table has a primary key, because replication finds rows by it.

CREATE DATABASE IF NOT EXISTS shop CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
USE shop;

CREATE TABLE IF NOT EXISTS users (
  id         VARCHAR(64)  NOT NULL,
  name       VARCHAR(120) NOT NULL,
  email      VARCHAR(254) NULL,
  city       VARCHAR(80)  NULL,
  created_at DATETIME(3)  NOT NULL,
  updated_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB COMMENT='sharded: space users, column id';

CREATE TABLE IF NOT EXISTS orders (
  order_no     BIGINT       NOT NULL,
  user_id      VARCHAR(64)  NOT NULL,
  product_id   BIGINT       NOT NULL,
  quantity     INT UNSIGNED NOT NULL,
  amount_cents BIGINT       NOT NULL,
  note         VARCHAR(500) NULL,
  created_at   DATETIME(3)  NOT NULL,
  PRIMARY KEY (order_no),
  KEY orders_by_user (user_id, order_no)
) ENGINE=InnoDB COMMENT='sharded: space users, column user_id';

CREATE TABLE IF NOT EXISTS shops (
  id         BIGINT       NOT NULL,
  area       VARCHAR(16)  NOT NULL,
  name       VARCHAR(120) NOT NULL,
  address    VARCHAR(240) NOT NULL,
  created_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  KEY shops_by_area (area, id)
) ENGINE=InnoDB COMMENT='sharded: space areas, column area';

CREATE TABLE IF NOT EXISTS posts (
  id         BIGINT       NOT NULL,
  business   VARCHAR(32)  NOT NULL,
  author     VARCHAR(64)  NOT NULL,
  title      VARCHAR(200) NOT NULL,
  body       TEXT         NOT NULL,
  created_at DATETIME(3)  NOT NULL,
  PRIMARY KEY (id),
  KEY posts_by_business (business, id)
) ENGINE=InnoDB COMMENT='sharded: space business, column business';

CREATE TABLE IF NOT EXISTS products (
  id          BIGINT       NOT NULL,
  name        VARCHAR(120) NOT NULL,
  description VARCHAR(500) NOT NULL,
  price_cents INT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB COMMENT='global: space global';

CREATE TABLE IF NOT EXISTS stock (
  product_id BIGINT      NOT NULL,
  quantity   INT         NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  PRIMARY KEY (product_id),
  CONSTRAINT stock_is_never_negative CHECK (quantity >= 0)
) ENGINE=InnoDB COMMENT='global: space global';

CREATE TABLE IF NOT EXISTS job_lock (
  name       VARCHAR(64) NOT NULL,
  holder     VARCHAR(64) NOT NULL,
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB COMMENT='local: never leaves the cell';
