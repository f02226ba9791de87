/* SPDX-License-Identifier: MIT */
/*
** list_explore.c -- every history of two lists and five elements.
**
** The model is an array for each list. L1, L2, and the order.
*/
#include "explore.h"

#include "list.h"

enum { LISTS = 2, ELEMENTS = 5, NOWHERE = LISTS };

static struct {
  weir_Link list[LISTS], element[ELEMENTS];
  uint8_t at[LISTS][ELEMENTS];       /* which element stands where */
  uint8_t length[LISTS];
} w;

static void start (void) {
  int i;
  for (i = 0; i < LISTS; i++) weir_list_init(&w.list[i]);
  for (i = 0; i < ELEMENTS; i++) weir_list_init(&w.element[i]);
}

/* Where element e stands: its list, or NOWHERE. */
static int find (int e, int *index) {
  int l, i;
  for (l = 0; l < LISTS; l++)
    for (i = 0; i < w.length[l]; i++)
      if (w.at[l][i] == e) {
        *index = i;
        return l;
      }
  return NOWHERE;
}

static void model_insert (int l, int index, int e) {
  memmove(&w.at[l][index + 1], &w.at[l][index], (size_t)(w.length[l] - index));
  w.at[l][index] = (uint8_t)e;
  w.length[l]++;
}

static bool insert (int e, int before) {
  int i, l = find(before, &i);
  if (l == NOWHERE) return false;
  tell("insert e%d before e%d", e, before);
  model_insert(l, i, e);
  weir_list_insert(&w.element[before], &w.element[e]);
  return true;
}

static bool remove_one (int e) {
  int i, l = find(e, &i);
  tell("remove e%d", e);
  weir_list_remove(&w.element[e]);             /* harmless if it is in none */
  if (l == NOWHERE) return true;
  w.length[l]--;
  memmove(&w.at[l][i], &w.at[l][i + 1], (size_t)(w.length[l] - i));
  w.at[l][w.length[l]] = 0;
  return true;
}

static bool splice (int to) {
  int from = 1 - to, i;
  tell("splice l%d to the end of l%d", from, to);
  weir_list_splice(&w.list[to], &w.list[from]);
  for (i = 0; i < w.length[from]; i++) w.at[to][w.length[to]++] = w.at[from][i];
  w.length[from] = 0;
  memset(w.at[from], 0, sizeof(w.at[from]));
  return true;
}

/* steps: for each element 2 ends of 2 lists, before 5 others, remove; then 2 splices */
enum { FOR_ONE = 2 * LISTS + ELEMENTS + 1 };

static bool step (int n) {
  int e = n / FOR_ONE, what = n % FOR_ONE, i;
  if (n >= ELEMENTS * FOR_ONE) return splice(n - ELEMENTS * FOR_ONE);
  if (what == FOR_ONE - 1) return remove_one(e);
  if (find(e, &i) != NOWHERE) return false;
  if (what >= 2 * LISTS) return insert(e, what - 2 * LISTS);
  i = what / 2;
  if (what % 2 == 0) {
    tell("append e%d to l%d", e, i);
    model_insert(i, w.length[i], e);
    weir_list_append(&w.list[i], &w.element[e]);
  }
  else {
    tell("prepend e%d to l%d", e, i);
    model_insert(i, 0, e);
    weir_list_prepend(&w.list[i], &w.element[e]);
  }
  return true;
}

static void check (void) {
  int l, i, e;
  for (l = 0; l < LISTS; l++) {
    const weir_Link *x = &w.list[l], *first = w.length[l] > 0 ? &w.element[w.at[l][0]] : NULL;
    expect(weir_list_empty(x) == (w.length[l] == 0), "L2", "l%d: empty is wrong", l);
    expect(weir_list_first(x) == first, "order", "l%d has the wrong first", l);
    for (i = 0; i < w.length[l]; i++) {
      expect(x->next->prev == x, "L1", "l%d", l);
      x = x->next;
      expect(x == &w.element[w.at[l][i]], "order", "l%d should have e%d next", l, w.at[l][i]);
      expect(!weir_list_empty(x), "L2", "e%d is said to be in no list", w.at[l][i]);
    }
    expect(x->next == &w.list[l] && w.list[l].prev == x, "L1", "l%d does not end", l);
  }
  for (e = 0; e < ELEMENTS; e++)
    expect(find(e, &i) != NOWHERE || (w.element[e].next == &w.element[e] &&
           w.element[e].prev == &w.element[e] && weir_list_empty(&w.element[e])), "L2",
           "e%d is in no list and points elsewhere", e);
}

int main (void) {
  static const Explorer list = { "list", 200000, ELEMENTS * FOR_ONE + LISTS, start, step, check,
                                 NULL, NULL };
  explore_part(&w, sizeof(w));
  explore_run(&list);
  return 0;
}
