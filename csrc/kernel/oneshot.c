/* SPDX-License-Identifier: MIT */
/*
** oneshot.c -- one message from one sender to one receiver.
**
**   sender --sent--> [ message ] --taken--> receiver
**
** O1  sent implies the receiver is alive, and not taken
** O2  the receiver waits only if the sender is alive and nothing was sent
**     and it does not refuse
** O3  the sender waits in `closed` only while the receiver does not refuse
** O4  a sender that has sent is gone: sender == false
*/
#include "kernel.h"

void weir_oneshot_init (weir_Oneshot *o) {
  weir_list_init(&o->arrived);
  weir_list_init(&o->closed);
  o->sent = o->taken = o->refusing = false;
  o->sender = o->receiver = true;
}

/* Will a message never be taken? */
bool weir_oneshot_refuses (const weir_Oneshot *o) {
  return o->refusing || !o->receiver;
}

/* The sender sends and is gone; false if it was refused. Wakes the receiver. */
bool weir_oneshot_send (weir_Oneshot *o) {
  bool ok = !weir_oneshot_refuses(o);
  o->sent = ok;
  o->sender = false;
  weir_line_tell_all(&o->arrived);
  weir_line_tell_all(&o->closed);
  return ok;
}

/* Nothing stands here and nothing can come. */
bool weir_oneshot_over (const weir_Oneshot *o) {
  return !o->sent && (!o->sender || o->refusing);
}

/* The receiver takes the message; false if none stands here. */
bool weir_oneshot_take (weir_Oneshot *o) {
  if (!o->sent) return false;
  o->sent = false;
  o->taken = true;
  return true;
}

/* What is not sent yet will be refused. Wakes both ends. */
void weir_oneshot_refuse (weir_Oneshot *o) {
  o->refusing = true;
  weir_line_tell_all(&o->closed);
  weir_line_tell_all(&o->arrived);
}

void weir_oneshot_drop_sender (weir_Oneshot *o) {
  if (!o->sender) return;
  o->sender = false;
  weir_line_tell_all(&o->arrived);
}

/* True if a message dies with it: the caller drops its values. */
bool weir_oneshot_drop_receiver (weir_Oneshot *o) {
  bool had = o->sent;
  o->receiver = o->sent = false;
  weir_oneshot_refuse(o);
  return had;
}
