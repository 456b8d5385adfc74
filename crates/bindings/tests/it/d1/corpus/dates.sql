-- Dates, and mathematics.
SELECT date('2024-02-29') a, time('13:45:30') b, datetime('2024-02-29 13:45:30') c, datetime('2024-02-29T13:45:30Z') d
SELECT date('2024-02-30') a, date('2024-13-01') b, date('nonsense') c, date('') d, date(NULL) e, date('2024-2-1') f
SELECT date('2024-01-31', '+1 month') a, date('2024-02-29', '+1 year') b, date('2024-03-31', '-1 month') c, date('2024-01-01', '+1000 days') d
SELECT date('2024-01-31', '+1 month', 'floor') a, date('2024-01-31', '+1 month', 'ceiling') b
SELECT datetime('2024-01-01', '+1 hour', '+30 minutes', '-15 seconds') a, datetime('2024-01-01', '+1.5 days') b, datetime('2024-01-01', '+1 fortnight') c
SELECT date('2024-05-15', 'start of month') a, date('2024-05-15', 'start of year') b, datetime('2024-05-15 12:00', 'start of day') c
SELECT date('2024-05-15', 'weekday 0') a, date('2024-05-19', 'weekday 0') b, date('2024-05-15', 'weekday 7') c
SELECT date(0, 'unixepoch') a, datetime(1700000000, 'unixepoch') b, datetime(1700000000, 'auto') c, date(2460000.5) d, date(2460000.5, 'julianday') e
SELECT datetime('2024-01-01 12:00', '+02:30') a, datetime('2024-01-01 12:00+02:00') b, datetime('2024-01-01 12:00', '-0001-02-03 04:05') c
SELECT julianday('2000-01-01 12:00') a, julianday('2024-02-29') b, unixepoch('2024-01-01') c, unixepoch('2024-01-01 00:00:00.5', 'subsec') d
SELECT strftime('%Y-%m-%d %H:%M:%S', '2024-02-29 13:45:30') a, strftime('%j %U %W %w %u', '2024-02-29') b, strftime('%G-W%V', '2024-12-30') c
SELECT strftime('%s', '2024-01-01') a, strftime('%J', '2024-01-01') b, strftime('%f', '2024-01-01 00:00:01.2345') c, strftime('%%') d, strftime('%e|%k|%l|%I|%p|%P', '2024-01-05 15:00') e
SELECT strftime('%F %T %R %D', '2024-01-05 15:06:07') a, strftime('%Z', '2024-01-05') b, strftime('%q', '2024-01-05') c
SELECT timediff('2024-03-01', '2024-02-01') a, timediff('2023-02-15', '2023-03-15') b, timediff('x', '2024-01-01') c
SELECT date('9999-12-31', '+1 day') a, date('-4713-11-24') b, date('0000-01-01', '-1 day') c
SELECT length(date('now')) a, length(time('now')) b, length(datetime('now', 'subsec')) c, typeof(julianday('now')) d, typeof(unixepoch()) e
SELECT length(CURRENT_DATE) a, length(CURRENT_TIME) b, length(CURRENT_TIMESTAMP) c, CURRENT_TIMESTAMP = datetime('now') d
SELECT datetime('2024-06-01 12:00', 'localtime') a, datetime('2024-06-01 12:00', 'utc') b
SELECT time('25:00') a, time('12:60') b, time('12:00:60') c, time('1:2') d
SELECT date('2024-01-01', NULL) a, date('2024-01-01', '') b, date('2024-01-01', 'bad modifier') c
--? [1700000000]
SELECT datetime(?, 'unixepoch') a
--? ["2024-05-05", "+1 day"]
SELECT date(?1, ?2) a
SELECT acos(1) a, asin(0) b, atan(0) c, atan2(0, 1) d, cos(0) e, sin(0) f, tan(0) g
SELECT acosh(1) a, asinh(0) b, atanh(0) c, cosh(0) d, sinh(0) e, tanh(0) f
SELECT acos(2) a, asin(2) b, acosh(0) c, atanh(2) d
SELECT ceil(1.2) a, floor(-1.2) b, trunc(-1.9) c, round(2.5) d, round(-2.5) e, round(1234.567, 2) f, round(1234.567, -2) g, round(5) h
SELECT ceiling(1.2)
SELECT power(2, 3)
SELECT if(1, 2, 3)
SELECT log10(100)
SELECT exp(1) a, ln(10) b, log(100) c, log(2, 8) d, log2(8) e, pow(2, 0.5) f, sqrt(2) g, pi() h
SELECT ln(0) a, ln(-1) b, log(0) c, pow(0, -1) d, sqrt(-4) e, mod(5, 0) f, mod(5.5, 2) g, exp(1000) h
SELECT degrees(3.141592653589793) a, radians(180) b, sign(-2) c, sign(0) d, sign('x') e, sign(NULL) f
SELECT abs(-5) a, abs('-5.5') b, abs('x') c, abs(NULL) d, max(1, 2, NULL) e, max('a', 1) f, min(3, 1, 2) g, max(5) h
SELECT ceil(5) a, typeof(ceil(5)) b, typeof(ceil(5.0)) c, floor('1.5') d, floor('x') e, trunc(NULL) f
SELECT likelihood(1, 0.5) a, likely(0) b, unlikely(1) c
SELECT likelihood(1, 2)
