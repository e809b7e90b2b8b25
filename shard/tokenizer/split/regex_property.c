/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/tokenizer/split/regex_property.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

/* General categories, by Oniguruma's names without case, spaces, hyphens, underscores. */
static const char *const categories[][2] = {
    {"l", "L"},
    {"letter", "L"},
    {"lu", "Lu"},
    {"uppercaseletter", "Lu"},
    {"ll", "Ll"},
    {"lowercaseletter", "Ll"},
    {"lt", "Lt"},
    {"titlecaseletter", "Lt"},
    {"lm", "Lm"},
    {"modifierletter", "Lm"},
    {"lo", "Lo"},
    {"otherletter", "Lo"},
    {"lc", "L&"},
    {"casedletter", "L&"},
    {"m", "M"},
    {"mark", "M"},
    {"combiningmark", "M"},
    {"mn", "Mn"},
    {"nonspacingmark", "Mn"},
    {"mc", "Mc"},
    {"spacingmark", "Mc"},
    {"me", "Me"},
    {"enclosingmark", "Me"},
    {"n", "N"},
    {"number", "N"},
    {"nd", "Nd"},
    {"decimalnumber", "Nd"},
    {"digit", "Nd"},
    {"nl", "Nl"},
    {"letternumber", "Nl"},
    {"no", "No"},
    {"othernumber", "No"},
    {"p", "P"},
    {"punctuation", "P"},
    {"pc", "Pc"},
    {"connectorpunctuation", "Pc"},
    {"pd", "Pd"},
    {"dashpunctuation", "Pd"},
    {"ps", "Ps"},
    {"openpunctuation", "Ps"},
    {"pe", "Pe"},
    {"closepunctuation", "Pe"},
    {"pi", "Pi"},
    {"initialpunctuation", "Pi"},
    {"pf", "Pf"},
    {"finalpunctuation", "Pf"},
    {"po", "Po"},
    {"otherpunctuation", "Po"},
    {"s", "S"},
    {"symbol", "S"},
    {"sm", "Sm"},
    {"mathsymbol", "Sm"},
    {"sc", "Sc"},
    {"currencysymbol", "Sc"},
    {"sk", "Sk"},
    {"modifiersymbol", "Sk"},
    {"so", "So"},
    {"othersymbol", "So"},
    {"z", "Z"},
    {"separator", "Z"},
    {"zs", "Zs"},
    {"spaceseparator", "Zs"},
    {"zl", "Zl"},
    {"lineseparator", "Zl"},
    {"zp", "Zp"},
    {"paragraphseparator", "Zp"},
    {"cc", "Cc"},
    {"control", "Cc"},
    {"cf", "Cf"},
    {"format", "Cf"},
    {"co", "Co"},
    {"privateuse", "Co"},
    {"alpha", "Alphabetic"},
    {"alphabetic", "Alphabetic"},
    {"upper", "Uppercase"},
    {"uppercase", "Uppercase"},
    {"lower", "Lowercase"},
    {"lowercase", "Lowercase"},
};

/* Names that Oniguruma has for what is no script, or not only. */
static bool no_script(const char *name)
{
    static const char *const names[] = {"any",   "assigned", "ascii",   "word",  "punct",
                                        "space", "print",    "graph",   "cntrl", "xdigit",
                                        "alnum", "blank",    "unknown", "c",     "other",
                                        "cn",    "cs",       "emoji"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return strncmp(name, "in", 2) == 0 && strncmp(name, "inh", 3) != 0 &&
           strncmp(name, "ins", 3) != 0;
}

/* Whether PCRE2 has it; true where there is no memory to ask. */
static bool is_known(const char *spelled)
{
    int error = 0;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)spelled, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP, &error, &at, NULL);

    pcre2_code_free(code);
    return error != PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY;
}

bool regex_property(const char *name, bool negated, char *out, size_t cap)
{
    const char *found = NULL;

    for (size_t i = 0; i < sizeof(categories) / sizeof(*categories); i++)
        if (strcmp(categories[i][0], name) == 0)
            found = categories[i][1];
    if (found == NULL && (name[0] == '\0' || no_script(name)))
        return false;
    const int n = snprintf(out, cap, "\\%c{%s%s}", negated ? 'P' : 'p',
                           found != NULL ? "" : "sc:", found != NULL ? found : name);
    return n > 0 && (size_t)n < cap && (found != NULL || is_known(out));
}

const char *regex_ascii_class(const char *name)
{
    static const char *const classes[][2] = {
        {"alnum", "0-9A-Za-z"},
        {"alpha", "A-Za-z"},
        {"ascii", "\\x{0}-\\x{7F}"},
        {"blank", "\\x{9} "},
        {"cntrl", "\\x{0}-\\x{1F}\\x{7F}"},
        {"digit", "0-9"},
        {"graph", "!-~"},
        {"lower", "a-z"},
        {"print", " -~"},
        {"punct", "!-/:-@\\x{5B}-`{-~"},
        {"space", "\\x{9}-\\x{D} "},
        {"upper", "A-Z"},
        {"word", "0-9A-Z_a-z"},
        {"xdigit", "0-9A-Fa-f"},
    };

    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (strcmp(classes[i][0], name) == 0)
            return classes[i][1];
    return NULL;
}
