/* A PKCS#11 module that misbehaves on demand: SoftHSM behind it, and a file that says what goes
 * wrong next. Built by the tests with cc; knows the function list by its order (PKCS#11 3.1, 3.4).
 *
 * KEYSTORE_SHIM_MODULE is the real module, KEYSTORE_SHIM_MODE the file. Its first word is
 *   hang   C_Encrypt and C_Decrypt never return
 *   crash  they kill the process
 *   eat    they take memory until none is left, and kill the process then
 *   login  C_Login kills the process
 * and anything else means that all is well. Every C_Login adds a line to <file>.logins. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long rv;
typedef rv (*call5)(unsigned long, void *, unsigned long, void *, void *);
typedef rv (*call4)(unsigned long, unsigned long, void *, unsigned long);
struct list { unsigned char version[2]; void *fn[68]; };
enum { GET_FUNCTION_LIST = 3, LOGIN = 18, ENCRYPT = 30, DECRYPT = 34 };

static struct list ours, *real;

static int mode(const char *word) {
    char text[16] = {0};
    int file = open(getenv("KEYSTORE_SHIM_MODE"), O_RDONLY);
    if (file < 0) return 0;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    return got > 0 && strncmp(text, word, strlen(word)) == 0;
}

static void misbehave(void) {
    while (mode("hang")) sleep(3600);
    if (mode("crash")) abort();
    while (mode("eat")) {
        if (!malloc(64 << 20)) _exit(77); /* room counts, used or not */
    }
}

static rv encrypt(unsigned long s, void *d, unsigned long n, void *o, void *m) {
    misbehave();
    return ((call5)real->fn[ENCRYPT])(s, d, n, o, m);
}

static rv decrypt(unsigned long s, void *d, unsigned long n, void *o, void *m) {
    misbehave();
    return ((call5)real->fn[DECRYPT])(s, d, n, o, m);
}

static rv login(unsigned long s, unsigned long who, void *pin, unsigned long n) {
    char name[512];
    snprintf(name, sizeof name, "%s.logins", getenv("KEYSTORE_SHIM_MODE"));
    int file = open(name, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file >= 0) { if (write(file, "login\n", 6) < 0) abort(); close(file); }
    if (mode("login")) abort();
    return ((call4)real->fn[LOGIN])(s, who, pin, n);
}

rv C_GetFunctionList(void **out) {
    void *module = dlopen(getenv("KEYSTORE_SHIM_MODULE"), RTLD_NOW);
    rv (*get)(struct list **) = module ? (rv (*)(struct list **))dlsym(module, "C_GetFunctionList") : 0;
    if (!get || get(&real)) return 5; /* CKR_GENERAL_ERROR */
    memcpy(&ours, real, sizeof ours);
    ours.fn[GET_FUNCTION_LIST] = (void *)C_GetFunctionList;
    ours.fn[LOGIN] = (void *)login;
    ours.fn[ENCRYPT] = (void *)encrypt;
    ours.fn[DECRYPT] = (void *)decrypt;
    *out = &ours;
    return 0;
}
