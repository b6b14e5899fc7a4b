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
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 3 subscribers)",
    "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; IDbot553) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0 "
    "Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "ELB-HealthChecker/2.0",
    "Site24x7",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; Dormouse/1.0)",
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
    /* models of phones */
    "Mozilla/5.0 (Linux; Android 4.4.2; IDbot553 Build/KOT49H) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/30.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 9; B BOT 550) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0 "
    "Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 2.3.4; en-us; HTC Ruby Build/GRJ22) AppleWebKit/533.1 (KHTML, "
    "like Gecko) Version/4.0 Mobile Safari/533.1",
    "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 Chrome/124.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 12; moto g(50) scan Build/S1; wv) AppleWebKit/537.36 Chrome/101.0",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; "
    "Touch; HTC; Ruby)",
    "Mozilla/5.0 (Mobile; Crawler_8110; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    "Instagram 54.0.0.14 Android (17/4.2.1; 160dpi; 1024x552; x; IDbot553; x; en_US)",
    "Mozilla/5.0 (Linux; Android 9; X) AppleWebKit/537.36 Chrome/80.0 [FBAN/FB4A;FBDV/IDbot553;]",
    /* pages that applications show */
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 WhatsApp/2.23.20",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Mobile/15E148 Feedly/99.0",
    "Mozilla/5.0 (Linux; Android 13; 2201116SI Build/TKQ1; wv) AppleWebKit/537.36 Version/4.0 "
    "Chrome/125.0 Mobile Safari/537.36 CamScanner/4.5",
    /* image proxies with an address */
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
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

/** Each sign of bots.txt, and words that cover each other. */
static void test_signs(void **state)
{
    struct bots *bots = bots_create("bot*\n^at\n<go\n~soft\n=moz\n!robot arm\n!xxbot\n+camo\n"
                                    "://\nbotanic garden\n");
    static const struct {
        const char *user_agent;
        bool is_bot;
    } rows[] = {
        {"bottle", true},
        {"at", true},
        {"a at", false},
        {"go", true},
        {"ago", false},
        {"a go/", true},
        {"soft/1", true},
        {"moz soft/1", false},
        {"soft/1 moz", false},
        {"moz soft bot", true},
        {"robot arm", false},
        {"robot arms", false},
        {"robot armbot", true},
        {"xxbot", false},
        {"xxbot bot", true},
        {"bot camo", false},
        {"camo bot", false},
        {"(android; bot)", false},
        {"(android; x) bot", true},
        {"(android; http://x)", true},
        {"a botanic gardener", true},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (bots_match(bots, rows[i].user_agent, strlen(rows[i].user_agent)) != rows[i].is_bot) {
            fail_msg("\"%s\" is taken for the other", rows[i].user_agent);
        }
    }
    bots_destroy(bots);
}

/** A browser with many words that decide nothing, and a bot after as many: none is forgotten. */
static void test_many_words(void **state)
{
    struct bots *bots = bots_create("bot\n~soft\n=moz\n!gobot\n");
    char text[1024];
    size_t length = 0;

    (void)state;
    length += (size_t)sprintf(text, "moz");
    for (int i = 0; i < 60; i++) {
        length += (size_t)sprintf(text + length, " soft gobot");
    }
    assert_false(bots_match(bots, text, length));
    length += (size_t)sprintf(text + length, " bot");
    assert_true(bots_match(bots, text, length));
    bots_destroy(bots);
}

/** The words of one site decide for it alone, although verdicts are remembered. */
static void test_own_words(void **state)
{
    static char *added[] = {"MyThing", "(x"};
    static char *excepted[] = {"Googlebot", "mything/2"};
    struct config_strings none = {NULL, 0};
    struct config_strings add = {added, LENGTH(added)};
    struct config_strings except = {excepted, LENGTH(excepted)};
    struct bots *bots = bots_create(NULL);
    struct bots_own *own = bots_own_create(&add, &except);
    struct bots_own *other = bots_own_create(&none, &except);
    static const struct {
        const char *user_agent;
        bool is_bot;
        bool is_own;
        bool is_other;
    } rows[] = {
        {"mything", false, true, false},           {"xMYTHING/1.0", false, true, false},
        {"MyThing/2.0", false, false, false},      {"Googlebot/2.1", true, false, false},
        {"bingbot/2.0", true, true, true},         {"Firefox (X11)", false, true, false},
        {"bingbot googlebot", true, false, false},
    };

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < LENGTH(rows); i++) {
            const char *text = rows[i].user_agent;

            assert_int_equal(bots_match(bots, text, strlen(text)), rows[i].is_bot);
            assert_int_equal(bots_match_own(bots, own, text, strlen(text)), rows[i].is_own);
            assert_int_equal(bots_match_own(bots, other, text, strlen(text)), rows[i].is_other);
        }
    }
    /* no verdict was another site's; few may share a place in the cache */
    assert_true(bots_looked_up(bots) >= 3 * LENGTH(rows));
    assert_null(bots_own_create(&none, &none));
    bots_own_destroy(own);
    bots_own_destroy(other);
    bots_own_destroy(NULL);
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
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_many_words),
        cmocka_unit_test(test_own_words),
        cmocka_unit_test(test_verdicts_are_remembered),
        cmocka_unit_test(test_a_flood_of_user_agents),
        cmocka_unit_test(test_what_is_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
