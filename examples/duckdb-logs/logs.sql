-- Log files as tables, and one question about them, for the DuckDB command line: duckdb -batch -f logs.sql
--
-- Asked through the environment:
--   QUERY                 one SELECT (or FROM, WITH, SUMMARIZE, DESCRIBE) over the tables below
--   OVER                  globs of files, one a line
--   ROOT                  where the device's files are mounted; taken off their names (default: nothing)
--   START_TIME, END_TIME  2026-11-21, 2026-11-21T10:00:00Z, or back from now: -90s -15m -2h -7d; empty: no bound
--   ANSWER                folder for answer.jsonl (one object per row) and columns.jsonl (names and types, in order);
--                         without it the answer is printed
-- Its own notes, and what does not fit into memory, go into the working directory.
--
-- Tables:
--   logs   one row per line: time, level, host, unit, pid, message, format; of access logs also client, method, path,
--          status, bytes; of JSON lines also fields; always file and line
--   files  what was read: file, size, modified
--
-- Times without a zone count as UTC; syslog's times without a year as the last such day before the file was changed.
-- Level is debug, info, notice, warning, error, critical or NULL. With a bound, lines without a time are left out.
-- Left out are also binary files, lines that are not UTF-8 or longer than 2,000,000 bytes, and files that cannot be
-- opened; the latter are named on standard error.

.bail on
.mode list
.headers off
SET TimeZone = 'UTC';
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET temp_directory = 'duckdb-spill';

CREATE MACRO given(name) AS coalesce(trim(getenv(name), e' \t\n'), '');

-- The bounds.

CREATE MACRO back_from_now(text) AS now() - to_seconds(list_sum(list_transform(
    regexp_extract_all(text, '\d+[smhdw]'),
    lambda part: part[:-2]::BIGINT * map {'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}[part[-1:]]))::BIGINT);

CREATE MACRO bound(name) AS CASE
    WHEN given(name) = '' THEN NULL
    WHEN regexp_full_match(given(name), '-?(\d{1,9}[smhdw])+') THEN back_from_now(given(name))
    WHEN try_cast(given(name) AS TIMESTAMPTZ) IS NOT NULL THEN try_cast(given(name) AS TIMESTAMPTZ)
    ELSE error(name || ' is ' || given(name) || ': expected a time such as 2026-11-21T10:00:00Z, or -15m, -2h, -7d')
END;

SET VARIABLE start_time = bound('START_TIME');
SET VARIABLE end_time = bound('END_TIME');

-- The files. `opened` is filled below; until then there are no lines, which is enough to check the question.

CREATE TABLE opened (filename VARCHAR, size BIGINT, modified TIMESTAMPTZ);
CREATE VIEW files AS SELECT filename[length(given('ROOT')) + 1:] AS file, size, modified FROM opened;

.once no-lines
SELECT 1 WHERE false;
SET VARIABLE opened = ['no-lines'];

-- Lines as they are: a delimiter that no text has, no quotes.
CREATE MACRO lines_of(files) AS TABLE
    SELECT filename, line
    FROM read_csv(files, columns = {'line': 'VARCHAR'}, auto_detect = false, header = false, delim = chr(31), quote = '',
                  escape = '', strict_mode = false, ignore_errors = true, max_line_size = 2000000, filename = true)
    WHERE line <> '' AND NOT contains(line, chr(0));

-- Formats of lines, each a struct of texts that are empty where it does not fit; an empty group stands for what a format
-- does not have.
CREATE MACRO syslog(line) AS regexp_extract(line,
    '^(?:<(\d{1,3})>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^\s:\[]+)(?:\[(\d+)\])?: ?(.*)$',
    ['priority', 'time', 'host', 'unit', 'pid', 'message']);
CREATE MACRO iso(line) AS regexp_extract(line,
    '^()(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)) (\S+) ([^\s:\[]+)(?:\[(\d+)\])?: ?(.*)$',
    ['priority', 'time', 'host', 'unit', 'pid', 'message']);
CREATE MACRO rfc5424(line) AS regexp_extract(line,
    '^<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) \S+ (?:-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(.*)$',
    ['priority', 'time', 'host', 'unit', 'pid', 'message']);
-- What programs write themselves: a time, perhaps in brackets, then the rest.
CREATE MACRO plain(line) AS regexp_extract(line,
    '^()\[?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?)()()()\]?(?: -)? *(.*)$',
    ['priority', 'time', 'host', 'unit', 'pid', 'message']);
CREATE MACRO access(line) AS regexp_extract(line,
    '^(\S+) \S+ \S+ \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?:([A-Z]+) (\S*)[^"]*|[^"]*)" (\d{3}) (\d+|-)',
    ['client', 'time', 'method', 'path', 'status', 'bytes']);
CREATE MACRO first_of(object, names) AS list_filter(list_transform(names, lambda name: object ->> name), lambda v: v <> '')[1];

-- ISO 8601 and its relatives; numbers are seconds, milli-, micro- or nanoseconds since 1970.
CREATE MACRO moment(text) AS CASE
    WHEN regexp_full_match(text, '\d{9,19}(\.\d*)?') THEN to_timestamp(
        text::DOUBLE / CASE WHEN length(split_part(text, '.', 1)) < 12 THEN 1 WHEN length(split_part(text, '.', 1)) < 15 THEN 1e3
                            WHEN length(split_part(text, '.', 1)) < 18 THEN 1e6 ELSE 1e9 END)
    ELSE try_cast(translate(regexp_replace(text, ' ([+-])', '\1'), ',/', '.-') AS TIMESTAMPTZ)
END;
CREATE MACRO in_year(year, text) AS try_strptime(year || ' ' || replace(text, '  ', ' 0') || ' +0000', '%Y %b %d %H:%M:%S %z');
CREATE MACRO syslog_moment(text, modified) AS CASE
    WHEN in_year(year(modified), text) <= modified + INTERVAL 1 DAY THEN in_year(year(modified), text)
    ELSE in_year(year(modified) - 1, text)
END;

-- Names of levels; numbers up to 7 are syslog's, those from 10 are of loggers that count in tens.
SET VARIABLE levels = map {
    'trace': 'debug', 'debug': 'debug', 'info': 'info', 'information': 'info', 'notice': 'notice', 'warn': 'warning',
    'warning': 'warning', 'warnings': 'warning', 'wrn': 'warning', 'err': 'error', 'error': 'error', 'errors': 'error',
    'severe': 'error', 'exception': 'error', 'fail': 'error', 'fails': 'error', 'failed': 'error', 'failure': 'error',
    'crit': 'critical', 'critical': 'critical', 'fatal': 'critical', 'panic': 'critical', 'alert': 'critical',
    'emerg': 'critical', 'emergency': 'critical', '0': 'critical', '1': 'critical', '2': 'critical', '3': 'error',
    '4': 'warning', '5': 'notice', '6': 'info', '7': 'debug', '10': 'debug', '20': 'debug', '30': 'info', '40': 'warning',
    '50': 'error', '60': 'critical'};
CREATE MACRO level_of(word) AS getvariable('levels')[lower(word)];
-- The first word of a message that names a level: in front, in capitals, or an alarming one anywhere. "no errors" names
-- none, nor do names such as libgpg-error.
CREATE MACRO level_word(message) AS regexp_extract(message,
    '^\W*((?i:trace|debug|info|notice))(?:$|[^\w-])|\b(?i:no|0|without) (?i:errors?|warnings?|failures?)\b'
    '|(?:^|[^\w-])(TRACE|DEBUG|INFO|NOTICE|(?i:warn|warnings?|err|errors?|severe|exception|fails?|failed|failure|crit|critical|fatal|panic|alert|emerg|emergency))(?:$|[^\w-])',
    ['front', 'within']);

-- One step after the other, so that every pattern is tried at most once per line, and not at all where nobody asks.
CREATE VIEW lines AS
    SELECT filename, modified, line, CASE WHEN line[1] = '{' AND json_valid(line) THEN line::JSON END AS fields
    FROM lines_of(getvariable('opened')) LEFT JOIN opened USING (filename);
CREATE VIEW lines_syslog AS SELECT *, CASE WHEN fields IS NULL THEN syslog(line) END AS syslog FROM lines;
CREATE VIEW lines_access AS SELECT *, CASE WHEN syslog.time = '' THEN access(line) END AS request FROM lines_syslog;
CREATE VIEW lines_iso AS SELECT *, CASE WHEN request.time = '' THEN iso(line) END AS iso FROM lines_access;
CREATE VIEW lines_rfc5424 AS SELECT *, CASE WHEN iso.time = '' THEN rfc5424(line) END AS rfc5424 FROM lines_iso;
CREATE VIEW lines_plain AS SELECT *, CASE WHEN rfc5424.time = '' THEN plain(line) END AS plain FROM lines_rfc5424;
CREATE VIEW parts AS
    SELECT filename, modified, line, fields, request,
        CASE
            WHEN fields IS NOT NULL THEN 'json' WHEN syslog.time <> '' THEN 'syslog' WHEN request.time <> '' THEN 'access'
            WHEN iso.time <> '' THEN 'iso' WHEN rfc5424.time <> '' THEN 'rfc5424' WHEN plain.time <> '' THEN 'plain'
            ELSE 'text'
        END AS format,
        CASE
            WHEN syslog.time <> '' THEN syslog WHEN iso.time <> '' THEN iso WHEN rfc5424.time <> '' THEN rfc5424
            WHEN plain.time <> '' THEN plain
        END AS part
    FROM lines_plain;

CREATE VIEW named AS
    SELECT *,
        CASE format
            WHEN 'syslog' THEN syslog_moment(part.time, modified)
            WHEN 'access' THEN try_strptime(request.time, '%d/%b/%Y:%H:%M:%S %z')
            WHEN 'json' THEN moment(first_of(fields,
                ['time', 'timestamp', 'ts', '@timestamp', '__REALTIME_TIMESTAMP', 't', 'date', 'datetime']))
            ELSE moment(part.time)
        END AS time,
        CASE format
            WHEN 'json' THEN coalesce(first_of(fields, ['msg', 'message', 'MESSAGE', 'log', 'event']), line)
            ELSE coalesce(part.message, line)
        END AS message,
        CASE format WHEN 'json' THEN first_of(fields, ['host', 'hostname', '_HOSTNAME']) ELSE part.host END AS host,
        CASE format
            WHEN 'json' THEN first_of(fields,
                ['unit', '_SYSTEMD_UNIT', 'SYSLOG_IDENTIFIER', 'logger', 'name', 'service', 'module'])
            ELSE part.unit
        END AS unit,
        CASE format WHEN 'json' THEN first_of(fields, ['pid', '_PID']) ELSE part.pid END AS pid
    FROM parts;

CREATE VIEW worded AS
    SELECT *,
        CASE format WHEN 'json' THEN
            first_of(fields, ['level', 'severity', 'lvl', 'PRIORITY', 'levelname', 'log_level'])
        END AS said_level,
        CASE WHEN format <> 'access' AND coalesce(part.priority, '') = '' THEN level_word(message) END AS word
    FROM named;

CREATE VIEW logs AS
    SELECT time,
        CASE
            WHEN said_level IS NOT NULL THEN level_of(said_level)
            WHEN format = 'access' THEN
                CASE WHEN request.status >= '500' THEN 'error' WHEN request.status >= '400' THEN 'warning' ELSE 'info' END
            WHEN part.priority <> '' THEN level_of((try_cast(part.priority AS INTEGER) % 8)::VARCHAR)
            ELSE level_of(concat(word.front, word.within))
        END AS level,
        nullif(host, '') AS host, nullif(unit, '') AS unit, try_cast(pid AS INTEGER) AS pid, message, format,
        nullif(request.client, '') AS client, nullif(request.method, '') AS method, nullif(request.path, '') AS path,
        nullif(request.status, '') AS status, try_cast(request.bytes AS BIGINT) AS bytes, fields,
        filename[length(given('ROOT')) + 1:] AS file, line
    FROM worded
    WHERE (getvariable('start_time') IS NULL OR time >= getvariable('start_time'))
        AND (getvariable('end_time') IS NULL OR time < getvariable('end_time'));

-- The question: a mistake in it ends the run here.

CREATE VIEW answer AS FROM query(getenv('QUERY'));

-- Which files can be read: each is tried in a statement of its own, so that one that may not be opened, is a damaged
-- archive or has just been rotated away takes nothing else with it.

CREATE MACRO found() AS TABLE
    SELECT DISTINCT file FROM glob(string_split(given('OVER'), chr(10)))
    WHERE NOT regexp_matches(file, '\.(journal~?|xz|bz2|lz4|zip|parquet|db|sqlite3?)$|/([wb]tmp|lastlog|faillog|tallylog)[^/]*$')
    ORDER BY file LIMIT 10000;
CREATE MACRO quoted(text) AS '''' || replace(text, '''', '''''') || '''';
CREATE MACRO try_to_open(file) AS
    'INSERT INTO opened SELECT filename, size, last_modified FROM read_blob(' || quoted(file) || ')'
    || CASE WHEN regexp_matches(file, '\.(gz|zst)$')
       THEN ' WHERE (SELECT count(*) FROM (FROM lines_of(' || quoted(file) || ') LIMIT 1)) >= 0' ELSE '' END || ';';

CREATE MACRO open_all() AS TABLE
    SELECT 'DELETE FROM opened;' UNION ALL
    SELECT try_to_open(file) FROM found() UNION ALL
    SELECT 'SET VARIABLE opened = (SELECT [''no-lines''] || coalesce(list(filename ORDER BY filename), []) FROM opened);';

CREATE MACRO write_down() AS CASE WHEN given('ANSWER') = '' THEN 'CREATE TABLE printed AS FROM answer;'
    ELSE 'COPY (SELECT column_name AS name, column_type AS type FROM (DESCRIBE answer)) TO '
        || quoted(given('ANSWER') || '/columns.jsonl') || ' (FORMAT json);' || chr(10)
        || 'COPY (FROM answer) TO ' || quoted(given('ANSWER') || '/answer.jsonl') || ' (FORMAT json, USE_TMP_FILE true);' END;
CREATE MACRO is_written() AS CASE WHEN given('ANSWER') = '' THEN EXISTS (FROM duckdb_tables() WHERE table_name = 'printed')
    ELSE EXISTS (FROM glob(given('ANSWER') || '/answer.jsonl')) END;

.bail off
.once open.sql
FROM open_all();
.read open.sql
.once write.sql
SELECT write_down();
.read write.sql

-- A file that was rotated away in between fails the question; then everything is done a second time.
.once again.sql
SELECT unnest(['.once open.sql', 'FROM open_all();', '.read open.sql', '.read write.sql'])
    WHERE NOT is_written() AND EXISTS (FROM opened WHERE filename NOT IN (FROM found()));
.read again.sql

-- Files that could not be opened have set the exit code to 1, and `.exit 0` would leave it; of 256 nothing remains.
.once end.sql
SELECT unnest(CASE WHEN NOT is_written() THEN ['.exit 1'] WHEN given('ANSWER') <> '' THEN ['.exit 256']
    ELSE ['.mode table', '.headers on', 'FROM printed;', '.exit 256'] END);
.read end.sql
