/* A real program for foreign CPUs: SQLite with a query set whose every row is printed. Numbers that are stored in files
 * and pages, text, blobs, floating point, sorting and recursion: what a wrong byte order or a wrong instruction breaks. */
#include <stdio.h>
#include <stdlib.h>
#include "sqlite3.h"

static int row(void *unused, int columns, char **values, char **names) {
    (void)unused;
    for (int i = 0; i < columns; i++)
        printf("%s%s=%s", i ? " " : "", names[i], values[i] ? values[i] : "NULL");
    putchar('\n');
    return 0;
}

static void run(sqlite3 *db, const char *sql) {
    char *error = NULL;
    if (sqlite3_exec(db, sql, row, NULL, &error) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, error ? error : "?");
        exit(1);
    }
}

int main(int argc, char **argv) {
    sqlite3 *db;
    if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        fprintf(stderr, "usage: query FILE\n");
        return 2;
    }
    run(db, "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL");
    run(db, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, data BLOB, kind INT)");
    run(db, "CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT)");
    run(db, "INSERT INTO kind VALUES (0, 'zero'), (1, 'one'), (2, 'zw\xc3\xb6lf'), (3, NULL)");
    run(db, "BEGIN; WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO item"
            " SELECT i, printf('item %05d', i * 7919 % 10007), i * 0.37 - 1234.5, CAST(hex(i * 65537) AS BLOB), i % 4 FROM n;"
            " COMMIT");
    run(db, "CREATE INDEX by_name ON item (name); ANALYZE");
    run(db, "DELETE FROM item WHERE id % 97 = 0; UPDATE item SET price = -price WHERE id % 101 = 0");
    run(db, "SELECT k.name, count(*) AS n, sum(i.price) AS total, avg(length(i.data)) AS mean, min(i.name) AS first"
            " FROM item i JOIN kind k ON k.id = i.kind GROUP BY k.id ORDER BY total DESC");
    run(db, "SELECT id, name, price, hex(data) AS data FROM item WHERE name BETWEEN 'item 00100' AND 'item 00130' ORDER BY name");
    run(db, "SELECT 9223372036854775807 AS big, -9223372036854775807 - 1 AS small, 1e308 * 10 AS huge, 1.0 / 3 AS third,"
            " round(-2.5) AS rounded, 7 % -3 AS rest, 1 << 40 AS shifted, typeof(9223372036854775807 + 1) AS type");
    run(db, "VACUUM; PRAGMA integrity_check; PRAGMA page_count");
    return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}
