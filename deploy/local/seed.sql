-- Global data every cell starts with. Running it again changes nothing, and stock that was sold stays sold.
USE shop;

INSERT IGNORE INTO products (id, name, description, price_cents) VALUES
  (1, 'Longjing tea',      'Spring harvest, 100 g tin',              12800),
  (2, 'Celadon cup',       'Longquan kiln, 180 ml',                   8900),
  (3, 'Bamboo tray',       'For six cups, drains below',             15900),
  (4, 'Cast iron kettle',  'One litre, for induction and gas',       39900),
  (5, 'Tea caddy',         'Tin, keeps 200 g dry and dark',           6900),
  (6, 'Pu''er cake',       'Ten years old, 357 g',                   58800);

INSERT IGNORE INTO stock (product_id, quantity, updated_at) VALUES
  (1, 1000, '2024-01-01 00:00:00.000'),
  (2, 1000, '2024-01-01 00:00:00.000'),
  (3,  500, '2024-01-01 00:00:00.000'),
  (4,  200, '2024-01-01 00:00:00.000'),
  (5, 1000, '2024-01-01 00:00:00.000'),
  (6,   50, '2024-01-01 00:00:00.000');
