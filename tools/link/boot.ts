/**
 * The text that the runtime evaluates first (as a data: URL): finds the payload in the running file,
 * evaluates a part of the client at once, and knows how to load the others. As short as it can be: it is
 * parsed at every start.
 */

/** Sizes in bytes of the parts of the payload, in their order. */
export interface PayloadSizes {
  /** Parts of the client of which one is evaluated at a start. */
  readonly exec: number;
  readonly common: number;
  readonly whole: number;
  readonly daemon: number;
  /** V8 code cache of the daemon's part; 0: none yet. */
  readonly cache: number;
  readonly helper: number;
}

/** Variables that the entry injects, and that the program must not see. */
export const INJECTED = [
  "DENO_NO_UPDATE_CHECK=1",
  "DENO_NO_PROMPT=1",
  "DENO_NO_PACKAGE_JSON=1",
  "DENO_DISABLE_NODE_SHIM=1",
  "DENO_DIR=/dev/null/lxd",
  "DENO_LOG=error,deno::cache=off",
  // The entry keeps the caller's as ~OME: a broken ~/.npmrc would end the runtime.
  "HOME=/nonexistent",
];

/** Prefixes of variables that would change the runtime. */
export const DROPPED = [
  "DENO_",
  "NODE_",
  "NPM_CONFIG_",
  "npm_config_",
  "OTEL_",
  "RUST_LOG=",
  "SSLKEYLOGFILE=",
];
export const KEPT = ["NODE_EXTRA_CA_CERTS="];

/** @param offset Of the payload in its segment, which is the last PT_LOAD of the file. */
export function bootText(offset: number, sizes: PayloadSizes, saveCache: boolean): string {
  const names = INJECTED.map((one) => one.split("=")[0]);
  const clients = sizes.exec + sizes.common;
  const at = {
    whole: clients,
    daemon: clients + sizes.whole,
    cache: clients + sizes.whole + sizes.daemon,
    helper: clients + sizes.whole + sizes.daemon + sizes.cache,
  };
  return `let f=Deno.openSync("/proc/self/exe"),h=new Uint8Array(4096),d=new DataView(h.buffer),o=0;f.readSync(h);
for(let p=64,n=d.getUint16(56,true);n--;p+=56)if(d.getUint32(p,true)===1)o=Number(d.getBigUint64(p+8,true));
o+=${offset};const rd=(a,n)=>{const b=new Uint8Array(n);f.seekSync(o+a,0);for(let i=0;i<n;){const k=f.readSync(b.subarray(i));if(!k)throw new Error("lxd: the program file is truncated");i+=k}return b},td=b=>new TextDecoder().decode(b);
const hm=Deno.env.get("~OME");for(const k of ${
    JSON.stringify([...names, "~OME"])
  })Deno.env.delete(k);if(hm!==void 0)Deno.env.set("HOME",hm);
const[a0,...ar]=Deno.args;Object.defineProperty(Deno,"args",{value:ar,configurable:true,enumerable:true});
globalThis.__lxd={argv0:a0,args:ar,helper:async()=>rd(${at.helper},${sizes.helper}),
loadClient:async()=>(0,eval)(td(rd(${at.whole},${sizes.whole}))),
async loadDaemon(){const{default:vm}=await import("node:vm"),rq=i=>process.getBuiltinModule(i)??(()=>{throw new Error("no module "+i)})(),
t=new vm.Script(td(rd(${at.daemon},${sizes.daemon})),{filename:"file:///lxd-daemon.js",cachedData:${
    sizes.cache > 0 ? `Buffer.from(rd(${at.cache},${sizes.cache}).buffer)` : "void 0"
  },importModuleDynamically:vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER}),m={exports:{}};
t.runInThisContext()(rq,m,m.exports,"/lxd-daemon.js","/");${
    saveCache ? `globalThis.__lxdCache=()=>t.createCachedData();` : ""
  }return m.exports}};
(0,eval)(td(ar.includes("exec")||ar.includes("shell")?rd(0,${sizes.exec}):rd(${sizes.exec},${sizes.common})));`;
}

/** A text as a data: URL, escaping only what a URL must. */
export function dataUrl(text: string): string {
  const keep = /%(20|3B|3D|2C|28|29|2F|3A|5B|5D|7B|7D|22|3F|26|2B|24|40|3C|3E)/g;
  return "data:text/javascript," +
    encodeURIComponent(text).replace(keep, (code) => decodeURIComponent(code));
}
