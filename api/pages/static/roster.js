// Who is in the room: the members of the join reply, kept true by the notifications that follow it. The contract
// promises that snapshot and notifications fit without gap or double, so this is a plain fold. Pure: no page, no socket.

const FLAGS = {
  member_mute_audio: ["audio_muted", true],
  member_unmute_audio: ["audio_muted", false],
  member_mute_video: ["video_muted", true],
  member_unmute_video: ["video_muted", false],
};

export class Roster {
  members = new Map(); // id → MEMBER, in order of arrival
  speaker = null;
  imposed = {}; // what an administrator did to ourselves, who are not among the members

  /** Begins anew, with what join_room answered. A speaker who is still here goes on speaking. */
  reset(members) {
    this.members = new Map(members.map((member) => [member.id, { ...member }]));
    if (!this.members.has(this.speaker)) this.speaker = null;
    this.imposed = {};
  }

  /** An administrator muted us, or took that back; kind is "audio" or "video". */
  impose(kind, muted) {
    this.imposed = { ...this.imposed, [`${kind}_muted_by_admin`]: muted };
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
    const member = this.members.get(params.member);
    if (flag === undefined || member === undefined) return false;
    member[flag[0] + (params.by_admin ? "_by_admin" : "")] = flag[1];
    return true;
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
