// Who is in the room: the members of the join reply, kept true by the notifications that follow it. The contract
// promises that snapshot and notifications fit without gap or double, so this is a plain fold. Pure: no page, no socket.
//
// We are no member of the reply. What the others know of us is kept beside it: our own flags are as we set them here, and what
// an administrator decided is as the server says.

const FLAGS = {
  member_mute_audio: ["audio_muted", true],
  member_unmute_audio: ["audio_muted", false],
  member_mute_video: ["video_muted", true],
  member_unmute_video: ["video_muted", false],
  member_raise_hand: ["hand_raised", true],
  member_unraise_hand: ["hand_raised", false],
  member_start_screen_share: ["screen_share", true],
  member_stop_screen_share: ["screen_share", false],
};

export class Roster {
  members = new Map(); // id → MEMBER, in order of arrival
  own = {}; // MEMBER
  speaker = null;

  /** Begins anew, with what join_room answered. A speaker who is still here goes on speaking. */
  reset(members, own = {}) {
    this.members = new Map(members.map((member) => [member.id, { ...member }]));
    this.own = { ...own };
    if (this.speaker !== own.id && !this.members.has(this.speaker)) this.speaker = null;
  }

  /** Returns true if the notification was about the roster and changed it. */
  apply(method, params) {
    if (method === "member_join_room") {
      this.members.set(params.id, { ...params });
      return true;
    }
    if (method === "member_leave_room") {
      if (this.speaker === params.member) this.speaker = null;
      return this.members.delete(params.member);
    }
    if (method === "room_active_speaker" || method === "room_clear_active_speaker") {
      this.speaker = params.member ?? null;
      return true;
    }
    const flag = FLAGS[method];
    const member = this.find(params.member);
    if (flag === undefined || member === undefined) return false;
    member[flag[0] + (params.by_admin ? "_by_admin" : "")] = flag[1];
    return true;
  }

  /** The MEMBER of that id, be it one of the others or ourselves. */
  find(id) {
    return id === this.own.id ? this.own : this.members.get(id);
  }

  /** Ourselves first. */
  get everybody() {
    return [this.own, ...this.members.values()];
  }
}

/** Heard by nobody, be it by the member's own wish or by an administrator's. */
export function isSilent(member) {
  return Boolean(member.audio_muted || member.audio_muted_by_admin);
}

/** Seen by nobody. */
export function isUnseen(member) {
  return Boolean(member.video_muted || member.video_muted_by_admin);
}

/** Its picture is that of a screen. */
export function isSharing(member) {
  return Boolean(member.screen_share) && !isUnseen(member);
}

/** What there is to say of a member beside its name, in words. */
export function states(member) {
  return [
    member.is_sip && "on the phone",
    member.hand_raised && "hand raised",
    isSharing(member) && "sharing the screen",
    member.audio_muted_by_admin ? "muted by an admin" : member.audio_muted && "microphone off",
    member.video_muted_by_admin ? "camera stopped by an admin" : member.video_muted && "camera off",
  ].filter(Boolean);
}

/** What a member is called; it may have given no name. */
export function called(member) {
  return member?.name || "A guest";
}

/** "Anna Maria Berg" → "AB"; a name without letters keeps its first sign. */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  if (words.length === 0) return "?";
  const first = [...words[0]][0];
  const last = words.length > 1 ? [...words[words.length - 1]][0] : "";
  return (first + last).toLocaleUpperCase();
}

/** A hue for a name: the same one in everybody's page. */
export function hue(name) {
  let sum = 7;
  for (const sign of name) sum = (sum * 31 + sign.codePointAt(0)) % 360;
  return sum;
}
