/* SPDX-License-Identifier: MIT */
#include "http/visit/bots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const char *const programs[] = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
    "+http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
    "AdsBot-Google (+http://www.google.com/adsbot.html)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Twitterbot/1.0",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
    "+https://openai.com/gptbot)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0",
    "CCBot/2.0 (https://commoncrawl.org/faq/)",
    "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 "
    "(compatible; Bytespider; spider-feedback@bytedance.com)",
    "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "HeadlessChrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 Chrome/109.0.0.0 Safari/537.36 Chrome-Lighthouse",
    "python-requests/2.31.0",
    "Python-urllib/3.11",
    "Go-http-client/2.0",
    "okhttp/4.9.3",
    "Java/17.0.9",
    "Apache-HttpClient/4.5.14 (Java/11.0.20)",
    "axios/1.6.2",
    "got (https://github.com/sindresorhus/got)",
    "libwww-perl/6.68",
    "Scrapy/2.11.0 (+https://scrapy.org)",
    "kube-probe/1.28",
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
    "SOMECRAWLER",
};

static const char *const people[] = {
    "",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 10) AppleWebKit/537.36 YaBrowser/23.11 Mobile Safari/537.36",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) JavaFX/17 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 [FBAN/FBIOS]",
    "Mozilla/5.0 (iPhone) Instagram 300.0.0.0",
    "Mozilla/5.0 (iPhone) [Pinterest/iOS]",
    "Links (2.28; Linux x86_64; GNU C 12.2)",
    "w3m/0.5.3+git20230121",
    "curl/7.88.1",
    "Wget/1.21.3",
    "HTTPie/3.2.1",
    "github-camo (876de43e)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Bottleneck/1.0",
};

static void test_the_list(void **state)
{
    struct bots *bots = bots_create(NULL);

    (void)state;
    for (size_t i = 0; i < LENGTH(programs); i++) {
        if (!bots_match(bots, programs[i], strlen(programs[i]))) {
            fail_msg("taken for a visitor: %s", programs[i]);
        }
    }
    for (size_t i = 0; i < LENGTH(people); i++) {
        if (bots_match(bots, people[i], strlen(people[i]))) {
            fail_msg("taken for a bot: %s", people[i]);
        }
    }
    assert_false(bots_match(bots, NULL, 0));
    bots_destroy(bots);
    bots_destroy(NULL);
}

static void test_how_lines_are_read(void **state)
{
    struct bots *bots = bots_create("# comment\n\nabc\nx/\n!zabc\nab c\n");
    static const struct {
        const char *user_agent;
        bool is_bot;
    } rows[] = {
        {"abc", true},   {"1abc2", true},    {"abcd", false},      {"abcd abc", true},
        {"zabc", false}, {"zabc abc", true}, {"zabcabc", true},    {"x/y", true},
        {"xy", false},   {"AB C", true},     {"# comment", false}, {"", false},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (bots_match(bots, rows[i].user_agent, strlen(rows[i].user_agent)) != rows[i].is_bot) {
            fail_msg("\"%s\" is taken for the other", rows[i].user_agent);
        }
    }
    bots_destroy(bots);
}

static void test_verdicts_are_remembered(void **state)
{
    struct bots *bots = bots_create(NULL);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(bots_match(bots, programs[0], strlen(programs[0])));
        assert_false(bots_match(bots, people[1], strlen(people[1])));
    }
    assert_int_equal(bots_looked_up(bots), 2);
    bots_destroy(bots);
}

/** Verdicts stay right for many more user agents than the cache has room for. */
static void test_a_flood_of_user_agents(void **state)
{
    struct bots *bots = bots_create(NULL);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50000; i++) {
            char user_agent[64];

            snprintf(user_agent, sizeof(user_agent), i % 3 == 0 ? "a bot/%d" : "a browser/%d", i);
            assert_int_equal(bots_match(bots, user_agent, strlen(user_agent)), i % 3 == 0);
        }
    }
    bots_destroy(bots);
}

static void test_what_is_long_is_cut(void **state)
{
    struct bots *bots = bots_create("abc\n");
    char user_agent[4096];

    (void)state;
    memset(user_agent, 'x', sizeof(user_agent));
    memcpy(user_agent + 1021, "abc", 3);
    assert_true(bots_match(bots, user_agent, sizeof(user_agent)));
    memset(user_agent, 'x', sizeof(user_agent));
    memcpy(user_agent + 1022, "abc", 3);
    assert_false(bots_match(bots, user_agent, sizeof(user_agent)));
    bots_destroy(bots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_list),
        cmocka_unit_test(test_how_lines_are_read),
        cmocka_unit_test(test_verdicts_are_remembered),
        cmocka_unit_test(test_a_flood_of_user_agents),
        cmocka_unit_test(test_what_is_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
