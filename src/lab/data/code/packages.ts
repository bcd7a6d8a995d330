import type { DataPackage } from "../../../weights/sources/data-package.ts";
import type { Language, Split } from "./file.ts";

/** A package of permissively licensed source code, and the split of all its files. */
export interface CodePackage extends DataPackage {
  readonly language: Language;
  readonly split: Split;
  readonly version: string;
  /** The SPDX expression in the package's metadata. */
  readonly licence: string;
  /** SHA-256 of the source files' names and texts. */
  readonly content: string;
}

type PackageRow = readonly [name: string, version: string, licence: string, content: string];

const rows = (kind: DataPackage["kind"], language: Language, split: Split, of: readonly PackageRow[]): CodePackage[] =>
  of.map(([name, version, licence, content]) => ({ kind, language, split, package: name, version, licence, content }));

/** Projects by the same authors share a split. Packages with mostly generated code are left out. */
export const codePackages: readonly CodePackage[] = [
  ...rows("npm", "typescript", "train", [
    ["rxjs", "7.8.2", "Apache-2.0", "bc2d1325cbc1e61858c34bf9d7985cfff157d8f869c4c6bb6f400172e706f392"],
    ["zod", "4.6.7", "MIT", "ccedc2bc348367183743da4c93e6dd044efe9f190e1aec7c012b3b4b423965b5"],
    ["effect", "4.1.0", "MIT", "600a92cff5c341b98282f14a2b4afa2ca91b30291ff79fa80baa09cb8b94beac"],
    ["viem", "2.57.20", "MIT", "df5f1e18681bcb73de26be66f83be2033cff24046ed374b5c1dcad6059b1879a"],
    ["puppeteer-core", "25.16.0", "Apache-2.0", "2ff878495a41330032ca16d8994a70023953da87be724eb9bf77052a4807e1d0"],
    ["@tiptap/core", "3.34.0", "MIT", "9278cf7119d3f57ae8633f5008fdd34980d2f8f4f8ad5f2e6609993766cf5b0e"],
    ["@reduxjs/toolkit", "2.15.0", "MIT", "a9a14c66ccd0b412f30eca3b69c0674485b4da961ab5065edbcc859e49b257ff"],
    ["ethers", "6.17.0", "MIT", "07bb734ff2d24f2063a6ef0b468427cb2ffcfea3795c58e14e27054215555163"],
    ["@noble/curves", "2.4.0", "MIT", "c1bd130495c3511b944ea15a019443d32c958a3112fefa57f4884ad128675539"],
    ["langium", "4.4.0", "MIT", "5280f97dcc98925759d4a85bdfb3622bb79905203c8608911a40ba61738460a5"],
  ]),
  ...rows("npm", "typescript", "validation", [
    ["msw", "3.0.5", "MIT", "f557efdc401b35444bd1aa106206597c6a5d391c79e72da0fbfe5e98a4ec83b8"],
    ["mobx", "7.1.3", "MIT", "509cfd6ca5363b68effbaa857476bf0337d899e4da46fe4faab8d9983234b103"],
    ["chevrotain", "13.2.0", "Apache-2.0", "0d9d0158cefeacb165904cf87b3500f474f547c94b990ea1ebcc290fd16d5a7a"],
  ]),
  ...rows("npm", "typescript", "test", [
    ["immer", "11.2.10", "MIT", "636cfe5a3e221c5b7f542564d8e7f02cc3ec30944c7bb8ffbecbd7f3eadcb049"],
    ["@tanstack/query-core", "5.108.4", "MIT", "77e4cd2b64876579bfc1e039a45f81f925c2c885dde235d340dabeeac317bbbc"],
    ["multiformats", "14.0.5", "Apache-2.0 OR MIT", "9d3d3a8eed20f900a85501a1a77816a262cd399cd157bee29d0c3f794656d381"],
    ["prosemirror-view", "1.42.9", "MIT", "c5985f1f62e3028317f2fa67859047bb522252b7f97379ae2c38a4938a36ca49"],
    ["@trpc/server", "11.25.2", "MIT", "c5d6d33be66203656a736d3479d636b4302a097fc2a67f352556a05a868861c1"],
  ]),
  ...rows("pypi", "python", "train", [
    ["flask", "3.1.3", "BSD-3-Clause", "80e001dde13e763bd92f06ad9a2e1801ac6e59230662d87819aebe8170d56301"],
    ["werkzeug", "3.1.9", "BSD-3-Clause", "6150986d5c5a5f674a80da65dd88f26a17b7b9b9707b6e5492a67a7007ee8bcf"],
    ["rich", "15.0.0", "MIT", "4061cffee30ed0fdc8076fd6541b84f03cf9cdf7b120d8722d30cd0f33859894"],
    ["networkx", "3.7", "BSD-3-Clause", "e5358a56f61de4321ece372a2c6ddecbad115a8943cf725a25b249ad18b2a075"],
    ["tornado", "6.6.1", "Apache-2.0", "7287f2fb869bc31f0eb2511e330384aa57b5fd3080818e73c0b1d0440042cc3a"],
    ["scrapy", "2.19.0", "BSD-3-Clause", "4ae8ede442f7155cd8dc81ff7445922a8e28339240768bc4dfea8be6e98980f4"],
    ["aiohttp", "3.14.5", "Apache-2.0 AND MIT", "c8cfbdf0ff80b99c0bc0a9750608c66ca04634bd3b17b4af73e7bf5895e2ad3b"],
    ["pytest", "9.2.0", "MIT", "190b860111d822c32ffcc20fd5ea1d7ce57c56edbeca7e4f5595664d29b395c3"],
    ["prompt-toolkit", "3.0.53", "BSD-3-Clause", "2ed751fa2252a7ad0aaed565a2c959f7a2a7b430140479516e73389d7e1ec32b"],
    ["lark", "1.3.1", "MIT", "72670bdc690c65d016a2f93409125a8323e6a22f9dad07d38d077f83cdd9ad4f"],
    ["jedi", "0.20.1", "MIT", "e77e0ac64b156d0885569b1de7e2a8cc763007a7035f50948066916992e02c3d"],
    ["celery", "5.7.0", "BSD-3-Clause", "f4c1bbd10cb6e425ca262a5a2179f017f7ddd3d76d0c3a08ffdf8078825ec2fe"],
    ["sqlalchemy", "2.1.9", "MIT", "8cb1bf83e2dc035f07975c1979c1abec63daabba35986b3bd981baa3c1f81b0f"],
  ]),
  ...rows("pypi", "python", "validation", [
    ["marshmallow", "4.4.0", "MIT", "08fd35c7dd96ef7e54c39b48874e67fd21a5d70f93ba9b5f1f43c4def0410836"],
    ["pyparsing", "3.3.3", "MIT", "883a274d6e4434ee1a202142983579b54cb787d8c70d430195c30c7cdba57a0c"],
    ["arrow", "1.4.0", "Apache-2.0", "ad66c09228debaaa2a84159c3734f1a983d6f020f2a81c834bdae38522212dc5"],
    ["trio", "0.35.0", "MIT OR Apache-2.0", "db33fc9188da31e61481640ecbfeb6e0979a687ae9fc0c9ba8bef8264a2dee57"],
  ]),
  ...rows("pypi", "python", "test", [
    ["starlette", "1.10.0", "BSD-3-Clause", "325cacd60d86159b9852828f0fe8d4e2e5d8adbe9ae253408bfff5779b0f5930"],
    ["attrs", "26.1.0", "MIT", "5e7fddca6054b54772bb08591e29f7726c0d1c68562220d8f337cc559d88c871"],
    ["more-itertools", "11.2.1", "MIT", "3a656ed464561f66077227f0b7e1fdcff8e3c9cd888ff42a6a1087922265d166"],
    ["requests", "2.34.2", "Apache-2.0", "4b39c181ce0b24316fe244f832a83bd47d7fbe29eeb55f26e3f620d831a4cd89"],
    ["boltons", "26.2.0", "BSD-3-Clause", "dd2e5a432f8529d1ffc95cc7669fa08786a231299ef6b99feafa0bf314788cf7"],
    ["toolz", "1.2.0", "BSD-3-Clause", "1ddbbd4fe0c0a2f4b19fedd0dc6ea5977a5b1f255e7924ee670b2f9d73f0ffd7"],
  ]),
];
