/* SPDX-License-Identifier: MIT */
/*
 * Perilune in a C program: a host with limits, a C function for the script, a context per
 * order, values in and out, and what an error and a limit look like.
 *
 *     cc shop.c $(pkg-config --cflags --libs perilune) -o shop
 */
#include <perilune.h>
#include <stdio.h>
#include <string.h>

static const char script[] =
    "local perilune = require 'perilune'\n"
    "local app = perilune.App 'shop'\n"
    "app.config.DATABASE_URI = 'sqlite://'\n"
    "local db = perilune.Database(app)\n"
    "local Order = db.Model 'Order' {\n"
    "  id    = db.Column{db.Integer, primary_key = true},\n"
    "  item  = db.Column{db.String(40), nullable = false},\n"
    "  cents = db.Column{db.Integer, nullable = false},\n"
    "}\n"
    "app:app_context(function() db:create_all() end)\n"
    "function order(item, count)\n"
    "  db.session:add(Order{item = item, cents = price(item) * count})\n"
    "end\n"
    "function total()\n"
    "  local list = {}\n"
    "  for _, o in ipairs(Order.query:order_by(Order.id):all()) do\n"
    "    list[#list + 1] = {item = o.item, cents = o.cents}\n"
    "  end\n"
    "  return list, db.session:scalar(db.select(db.func.sum(Order.cents)))\n"
    "end\n";

/* What the script calls: a price from the C side. */
static int price(perilune_call *call, void *payload) {
    const perilune_value *item = perilune_arg(call, 0);
    perilune_value cents = {PERILUNE_INTEGER, 0, {.integer = 250}};
    (void)payload;
    if (item->type != PERILUNE_TEXT)
        return perilune_fail(call, "price needs the name of an item");
    if (strcmp(item->as.text, "tea") == 0)
        cents.as.integer = 300;
    return perilune_return(call, &cents);
}

/* One order in a context of its own, which commits when all went well. */
static void order(perilune_host *host, const char *item, int count) {
    perilune_value args[] = {{PERILUNE_TEXT, item ? strlen(item) : 0, {.text = item}},
                             {PERILUNE_INTEGER, 0, {.integer = count}}};
    if (!item)
        args[0].type = PERILUNE_NIL;
    perilune_context_push(host, "shop");
    int code = perilune_call_function(host, "order", 2, args, NULL);
    if (code != PERILUNE_OK)
        printf("order failed: %s: %s\n", perilune_error_name(code),
               perilune_error_of(host)->message);
    perilune_context_pop(host, code == PERILUNE_OK);
}

static void print_total(perilune_host *host) {
    perilune_result *result;
    perilune_context_push(host, "shop");
    if (perilune_call_function(host, "total", 0, NULL, &result) == PERILUNE_OK) {
        const perilune_value *list = perilune_result_at(result, 0);
        for (size_t i = 0; i < list->size; i++)
            printf("%-7s %lld\n", perilune_field(&list->as.items[i], "item")->as.text,
                   (long long)perilune_field(&list->as.items[i], "cents")->as.integer);
        printf("total   %lld\n", (long long)perilune_result_at(result, 1)->as.integer);
        perilune_result_free(result);
    }
    perilune_context_pop(host, 0);
}

int main(void) {
    perilune_host *host;
    perilune_config config;
    static const char loop[] = "while true do pcall(error) end";
    perilune_config_init(&config);
    config.memory = 64 << 20;
    if (perilune_host_new(&host, &config) != PERILUNE_OK ||
        perilune_register(host, "price", price, NULL) != PERILUNE_OK ||
        perilune_run_string(host, "shop", script, strlen(script), 0, NULL, NULL) !=
            PERILUNE_OK) {
        printf("%s\n", perilune_error_of(host)->message);
        perilune_host_free(host);
        return 1;
    }
    order(host, "tea", 2);
    order(host, "coffee", 4);
    order(host, NULL, 1);
    print_total(host);
    perilune_limit(host, PERILUNE_LIMIT_MILLISECONDS, 50, NULL);
    int code = perilune_run_string(host, "loop", loop, strlen(loop), 0, NULL, NULL);
    printf("%s: %s\n", perilune_error_name(code), perilune_error_of(host)->message);
    perilune_host_free(host);
    return 0;
}
