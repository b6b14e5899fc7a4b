/* SPDX-License-Identifier: MIT */
#include "http/admin/version.h"

#include "config/config.h"
#include "store/redis/redis_store.h"
#include "store/sqlite/sqlite_store.h"

#include <h2o/version.h>
#include <openssl/crypto.h>

void version_report(struct report *report)
{
    report_text(report, "visitcountd", VISITCOUNTD_VERSION);
    report_text(report, "libh2o", H2O_VERSION);
    report_text(report, "hiredis", redis_store_library_version());
    report_text(report, "libconfig", config_library_version());
    report_text(report, "sqlite", sqlite_store_library_version());
    report_text(report, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
}

void version_print(struct buf *out)
{
    struct report report;

    report_init(&report, REPORT_TEXT);
    version_report(&report);
    report_finish(&report, out);
}
